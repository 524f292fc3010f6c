package sql

// showStatement reads what follows SHOW. Both generations of names are accepted
// whatever the version.
func (p *parser) showStatement() (Statement, error) {
	p.advance()
	switch w := p.words("BINARY", "MASTER", "BINLOG", "REPLICAS", "SLAVE", "WARNINGS", "ERRORS", "PROCESSLIST", "FULL"); w {
	case "BINARY", "MASTER", "BINLOG":
		return p.showBinary(w)
	case "REPLICAS":
		return &ShowReplicas{}, nil
	case "SLAVE":
		if p.word("HOSTS") {
			return &ShowReplicas{Old: true}, nil
		}
		return nil, p.otherShow("SLAVE", "STATUS")
	case "WARNINGS", "ERRORS":
		return &ShowWarnings{}, nil
	case "PROCESSLIST":
		return &ShowProcesslist{}, nil
	case "FULL":
		if p.word("PROCESSLIST") {
			return &ShowProcesslist{Full: true}, nil
		}
		return nil, p.otherShow("FULL", "COLUMNS", "FIELDS", "TABLES")
	}
	return p.showVariables()
}

// showBinary reads BINARY LOGS, BINARY LOG STATUS and their older forms.
func (p *parser) showBinary(first string) (Statement, error) {
	switch {
	case first != "BINLOG" && p.word("LOGS"):
		return &ShowBinaryLogs{}, nil
	case first == "BINARY" && p.word("LOG"):
		if !p.word("STATUS") {
			return nil, p.unexpected()
		}
		return &ShowBinaryLogStatus{}, nil
	case first != "BINARY" && p.word("STATUS"):
		return &ShowBinaryLogStatus{}, nil
	}
	return nil, p.otherShow(first, "EVENTS")
}

// showVariables reads [GLOBAL|SESSION|LOCAL] VARIABLES|STATUS [LIKE|WHERE].
func (p *parser) showVariables() (Statement, error) {
	scope := p.scope()
	what := p.words("VARIABLES", "STATUS")
	if what == "" && scope == ScopeNone {
		return nil, p.otherShow("", "ALL", "BINLOG", "CHARACTER", "COLLATION", "COLUMNS", "CREATE", "DATABASES", "ENGINE",
			"ENGINES", "EVENTS", "FIELDS", "FUNCTION", "GRANTS", "INDEX", "INDEXES", "KEYS", "OPEN", "PLUGINS", "PRIVILEGES",
			"PROCEDURE", "PROFILE", "PROFILES", "RELAYLOG", "REPLICA", "SCHEMAS", "TABLE", "TABLES", "TRIGGERS")
	}
	if what == "" {
		return nil, p.unexpected()
	}
	filter, err := p.filter()
	if err != nil {
		return nil, err
	}
	if what == "STATUS" {
		return &ShowStatus{Scope: scope, Filter: filter}, nil
	}
	return &ShowVariables{Scope: scope, Filter: filter}, nil
}

func (p *parser) filter() (Filter, error) {
	switch {
	case p.word("LIKE"):
		if p.tok.kind != tokenString {
			return Filter{}, p.unexpected()
		}
		pattern := p.joinStrings()
		return Filter{Like: &pattern}, nil
	case p.word("WHERE"):
		e, err := p.expr()
		return Filter{Where: e}, err
	}
	return Filter{}, nil
}

// otherShow is an UnsupportedError when one of mysqld's words is next, else a
// syntax error there.
func (p *parser) otherShow(first string, words ...string) error {
	at := p.unexpected()
	w := p.words(words...)
	if w == "" {
		return at
	}
	if first != "" {
		w = first + " " + w
	}
	return &UnsupportedError{What: "SHOW " + w}
}
