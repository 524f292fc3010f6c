package sql

// setStatement reads SET item, ….
func (p *parser) setStatement() (Statement, error) {
	p.advance()
	s := &Set{}
	for {
		item, err := p.setItem()
		if err != nil {
			return nil, err
		}
		if s.Items = append(s.Items, item); len(s.Items) > MaxItems {
			return nil, ErrTooMany
		}
		if !p.punct(",") {
			return s, nil
		}
	}
}

func (p *parser) setItem() (SetItem, error) {
	switch {
	case p.tok.kind == tokenUserVar:
		return p.setUserVar()
	case p.tok.kind == tokenSystemVar:
		v, err := p.systemVar()
		if err != nil {
			return nil, err
		}
		return p.setSystemVar(v.Scope, v.Name)
	case p.tok.isWord("NAMES"):
		p.advance()
		return p.setNames(true)
	case p.tok.isWord("CHARSET"):
		p.advance()
		return p.setNames(false)
	case p.tok.isWord("CHARACTER"):
		p.advance()
		if !p.word("SET") {
			return nil, p.unexpected()
		}
		return p.setNames(false)
	}
	return p.setPlain()
}

func (p *parser) setUserVar() (SetItem, error) {
	name := lower(p.tok.value)
	p.advance()
	if err := p.assign(); err != nil {
		return nil, err
	}
	value, err := p.expr()
	return &SetUserVar{Name: name, Value: value}, err
}

// setPlain reads [GLOBAL|SESSION|LOCAL] name = value.
func (p *parser) setPlain() (SetItem, error) {
	scope := p.scope()
	if p.tok.isWord("TRANSACTION") {
		return nil, &UnsupportedError{What: "SET TRANSACTION"}
	}
	for _, w := range [...]string{"PASSWORD", "ROLE", "PERSIST", "PERSIST_ONLY", "RESOURCE"} {
		if scope == ScopeNone && p.tok.isWord(w) {
			return nil, &UnsupportedError{What: "SET " + w, Write: true}
		}
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	return p.setSystemVar(scope, lower(name))
}

func (p *parser) setSystemVar(scope Scope, name string) (SetItem, error) {
	if err := p.assign(); err != nil {
		return nil, err
	}
	if p.word("DEFAULT") {
		return &SetSystemVar{Scope: scope, Name: name}, nil
	}
	// ON, ALL and BINARY are words here although the expressions reserve them.
	if w := p.words("ON", "ALL", "BINARY"); w != "" {
		return &SetSystemVar{Scope: scope, Name: name, Value: Column(w)}, nil
	}
	value, err := p.expr()
	return &SetSystemVar{Scope: scope, Name: name, Value: value}, err
}

// setNames reads the charset and, when it may follow, COLLATE and a collation.
func (p *parser) setNames(collate bool) (SetItem, error) {
	if p.word("DEFAULT") {
		return &SetNames{}, nil
	}
	charset, err := p.nameOrString()
	if err != nil {
		return nil, err
	}
	n := &SetNames{Charset: lower(charset)}
	if collate && p.word("COLLATE") {
		n.Collation, err = p.nameOrString()
		n.Collation = lower(n.Collation)
	}
	return n, err
}

// assign takes = or :=.
func (p *parser) assign() error {
	if p.punct("=") || p.punct(":=") {
		return nil
	}
	return p.unexpected()
}

func (p *parser) scope() Scope {
	switch p.words("GLOBAL", "SESSION", "LOCAL") {
	case "GLOBAL":
		return ScopeGlobal
	case "SESSION", "LOCAL":
		return ScopeSession
	}
	return ScopeNone
}
