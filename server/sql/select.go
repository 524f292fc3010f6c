package sql

import "strings"

// selectStatement reads SELECT [ALL|SQL_NO_CACHE] item, … [FROM DUAL] [LIMIT n[, m]].
func (p *parser) selectStatement() (Statement, error) {
	p.advance()
	for p.words("ALL", "SQL_NO_CACHE", "DISTINCT") != "" {
	}
	s := &Select{}
	for {
		item, err := p.selectItem()
		if err != nil {
			return nil, err
		}
		if s.Items = append(s.Items, item); len(s.Items) > MaxItems {
			return nil, ErrTooMany
		}
		if !p.punct(",") {
			break
		}
	}
	if p.word("FROM") && !p.word("DUAL") {
		if p.tok.kind == tokenEnd {
			return nil, p.unexpected()
		}
		return nil, &UnsupportedError{What: "SELECT ... FROM"}
	}
	var err error
	if p.word("LIMIT") {
		s.NoRow, err = p.limit()
	}
	return s, err
}

func (p *parser) selectItem() (SelectItem, error) {
	if p.tok.is("*") {
		return SelectItem{}, &UnsupportedError{What: "SELECT *"}
	}
	first := p.tok
	e, err := p.expr()
	if err != nil {
		return SelectItem{}, err
	}
	label := p.lexer.text[first.start:p.last]
	if _, ok := e.(String); ok && first.kind == tokenString {
		label = first.value
	}
	alias, ok, err := p.alias()
	if ok {
		label = alias
	}
	return SelectItem{Expr: e, Label: label}, err
}

// alias reads [AS] name. Without AS a reserved word ends the item.
func (p *parser) alias() (string, bool, error) {
	as := p.word("AS")
	if p.tok.isName() || p.tok.kind == tokenString {
		name := p.tok.value
		p.advance()
		return name, true, nil
	}
	if as {
		return "", false, p.unexpected()
	}
	return "", false, nil
}

// limit reads n, "m, n" or "n OFFSET m" and reports whether the only row is cut off.
func (p *parser) limit() (noRow bool, err error) {
	first, err := p.integer()
	if err != nil {
		return false, err
	}
	count, offset := first, "0"
	switch {
	case p.punct(","):
		offset = first
		count, err = p.integer()
	case p.word("OFFSET"):
		offset, err = p.integer()
	}
	return isZero(count) || !isZero(offset), err
}

func (p *parser) integer() (string, error) {
	if p.tok.kind != tokenInteger {
		return "", p.unexpected()
	}
	value := p.tok.value
	p.advance()
	return value, nil
}

func isZero(digits string) bool { return strings.Trim(digits, "0") == "" }
