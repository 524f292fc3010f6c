package sql

// niladic are the functions that need no parentheses.
var niladic = map[string]bool{
	"CURRENT_USER": true, "CURRENT_TIMESTAMP": true, "CURRENT_DATE": true, "CURRENT_TIME": true,
	"LOCALTIME": true, "LOCALTIMESTAMP": true, "UTC_TIMESTAMP": true, "UTC_DATE": true, "UTC_TIME": true,
}

// expr reads an expression; OR binds least, then AND, NOT, comparisons, signs.
func (p *parser) expr() (Expr, error) {
	return p.chain(p.and, "OR", "||")
}

func (p *parser) and() (Expr, error) { return p.chain(p.not, "AND", "&&") }

// chain reads operand [op operand]…, op a word or its punctuation, into a tree
// that leans to the left.
func (p *parser) chain(operand func() (Expr, error), op, sign string) (Expr, error) {
	x, err := operand()
	for n := 0; err == nil && (p.word(op) || p.punct(sign)); n++ {
		if n == MaxItems {
			return nil, ErrTooMany
		}
		var y Expr
		y, err = operand()
		x = &Binary{Op: op, X: x, Y: y}
	}
	return x, err
}

func (p *parser) not() (Expr, error) {
	if !p.word("NOT") {
		return p.comparison()
	}
	return p.nested(func() (Expr, error) {
		x, err := p.not()
		return &Not{X: x}, err
	})
}

// comparison reads x, x = y, x <> y, x [NOT] LIKE y or x [NOT] IN (…).
func (p *parser) comparison() (Expr, error) {
	x, err := p.sign()
	if err != nil {
		return nil, err
	}
	switch {
	case p.punct("="):
		return p.operand("=", x)
	case p.punct("<>") || p.punct("!="):
		return p.operand("<>", x)
	}
	negated := p.word("NOT")
	switch {
	case p.word("LIKE"):
		x, err = p.operand("LIKE", x)
	case p.word("IN"):
		x, err = p.in(x)
	case negated:
		return nil, p.unexpected()
	}
	if negated && err == nil {
		x = &Not{X: x}
	}
	return x, err
}

func (p *parser) operand(op string, x Expr) (Expr, error) {
	y, err := p.sign()
	return &Binary{Op: op, X: x, Y: y}, err
}

func (p *parser) in(x Expr) (Expr, error) {
	if !p.tok.is("(") {
		return nil, p.unexpected()
	}
	list, err := p.list()
	if err == nil && len(list) == 0 {
		return nil, p.unexpected()
	}
	return &In{X: x, List: list}, err
}

func (p *parser) sign() (Expr, error) {
	switch {
	case p.punct("+"):
		return p.nested(p.sign)
	case p.punct("-"):
		return p.nested(func() (Expr, error) {
			x, err := p.sign()
			return &Negate{X: x}, err
		})
	}
	return p.primary()
}

// nested runs read one level deeper and refuses to go deeper than maxDepth.
func (p *parser) nested(read func() (Expr, error)) (Expr, error) {
	if p.depth == maxDepth {
		return nil, p.unexpected()
	}
	p.depth++
	x, err := read()
	p.depth--
	return x, err
}

func (p *parser) primary() (Expr, error) {
	value := p.tok.value
	switch p.tok.kind {
	case tokenInteger:
		p.advance()
		return Integer(value), nil
	case tokenDecimal:
		p.advance()
		return Decimal(value), nil
	case tokenHex:
		p.advance()
		return Hex(value), nil
	case tokenString:
		return String(p.joinStrings()), nil
	case tokenUserVar:
		p.advance()
		return UserVar(lower(value)), nil
	case tokenSystemVar:
		return p.systemVar()
	case tokenWord, tokenQuotedName:
		return p.wordExpr()
	}
	if p.punct("(") {
		return p.nested(p.parenthesis)
	}
	return nil, p.unexpected()
}

func (p *parser) parenthesis() (Expr, error) {
	x, err := p.expr()
	if err != nil {
		return nil, err
	}
	if !p.punct(")") {
		return nil, p.unexpected()
	}
	return x, nil
}

// joinStrings takes a string and the strings that follow it: 'a' 'b' is 'ab'.
func (p *parser) joinStrings() string {
	value := p.tok.value
	p.advance()
	if p.tok.kind != tokenString {
		return value
	}
	joined := []byte(value)
	for p.tok.kind == tokenString {
		joined = append(joined, p.tok.value...)
		p.advance()
	}
	return string(joined)
}

// wordExpr reads NULL, TRUE, FALSE, a function call or a name.
func (p *parser) wordExpr() (Expr, error) {
	t, word := p.tok, ""
	if t.kind == tokenWord {
		word = upper(t.value)
	}
	switch word {
	case "NULL":
		p.advance()
		return Null{}, nil
	case "TRUE", "FALSE":
		p.advance()
		return Bool(word == "TRUE"), nil
	}
	if !t.isName() {
		return nil, p.unexpected()
	}
	p.advance()
	switch {
	case p.tok.is("(") && word != "":
		args, err := p.list()
		return &Call{Name: t.value, Args: args}, err
	case niladic[word]:
		return &Call{Name: t.value}, nil
	}
	return Column(t.value), nil
}

// list reads (expr, …), which may be empty. The opening parenthesis is next.
func (p *parser) list() ([]Expr, error) {
	if p.depth == maxDepth {
		return nil, p.unexpected()
	}
	p.depth++
	defer func() { p.depth-- }()
	p.advance()
	if p.punct(")") {
		return nil, nil
	}
	var list []Expr
	for {
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		if list = append(list, e); len(list) > MaxItems {
			return nil, ErrTooMany
		}
		if p.punct(")") {
			return list, nil
		}
		if !p.punct(",") {
			return nil, p.unexpected()
		}
	}
}

// systemVar reads @@[GLOBAL.|SESSION.|LOCAL.]name. A component's variable keeps
// its prefix: @@validate_password.policy.
func (p *parser) systemVar() (SystemVar, error) {
	p.advance()
	first, err := p.name()
	if err != nil {
		return SystemVar{}, err
	}
	first = lower(first)
	if !p.punct(".") {
		return SystemVar{Name: first}, nil
	}
	second, err := p.name()
	if err != nil {
		return SystemVar{}, err
	}
	second = lower(second)
	switch first {
	case "global":
		return SystemVar{Scope: ScopeGlobal, Name: second}, nil
	case "session", "local":
		return SystemVar{Scope: ScopeSession, Name: second}, nil
	}
	return SystemVar{Name: first + "." + second}, nil
}
