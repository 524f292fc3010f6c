package sql

import "strings"

// Limits of one statement. Its length is the caller's concern.
const (
	// MaxItems is the longest list of columns, assignments, arguments or values:
	// mysqld's limit for columns.
	MaxItems = 4096
	maxDepth = 64 // nested parentheses, signs and NOTs
)

// parser holds one token of look-ahead over the lexer.
type parser struct {
	lexer lexer
	tok   token
	last  int // end of the token before tok
	depth int
}

// Parse reads one statement, which may end with semicolons. Version is that of
// the server we stand for, as a number such as 90704: of /*!80000 … */ it decides
// whether the content counts; 0 reads them all.
//
// The error is *SyntaxError, *UnsupportedError, ErrEmpty or ErrTooMany.
func Parse(text string, version uint32) (Statement, error) {
	p := &parser{lexer: lexer{text: text, version: version}}
	p.advance()
	if p.atEnd() {
		return p.nothing()
	}
	if p.last > 0 { // a semicolon came first
		return nil, p.unexpected()
	}
	s, err := p.statement()
	if err != nil {
		return nil, err
	}
	if !p.atEnd() {
		return nil, p.unexpected()
	}
	return s, nil
}

// nothing tells a text without any statement from a mere comment, which is one
// that does nothing.
func (p *parser) nothing() (Statement, error) {
	if strings.Trim(p.lexer.text, " \t\n\v\f\r;") == "" {
		return nil, ErrEmpty
	}
	return &Nothing{}, nil
}

// atEnd skips semicolons and reports whether nothing follows.
func (p *parser) atEnd() bool {
	for p.tok.is(";") {
		p.advance()
	}
	return p.tok.kind == tokenEnd
}

func (p *parser) statement() (Statement, error) {
	if p.tok.kind != tokenWord {
		return nil, p.unexpected()
	}
	switch word := upper(p.tok.value); word {
	case "SELECT":
		return p.selectStatement()
	case "SET":
		return p.setStatement()
	case "SHOW":
		return p.showStatement()
	case "KILL":
		return p.killStatement()
	case "USE":
		return p.useStatement()
	default:
		if write, ok := otherStatements[word]; ok {
			return nil, &UnsupportedError{What: word, Write: write}
		}
	}
	return nil, p.unexpected()
}

// killStatement reads KILL [CONNECTION|QUERY] expr.
func (p *parser) killStatement() (Statement, error) {
	p.advance()
	k := &Kill{}
	if p.word("QUERY") {
		k.Query = true
	} else {
		p.word("CONNECTION")
	}
	id, err := p.expr()
	k.ID = id
	return k, err
}

func (p *parser) useStatement() (Statement, error) {
	p.advance()
	name, err := p.name()
	return &Use{Database: name}, err
}

func (p *parser) advance() {
	p.last = p.tok.end
	p.tok = p.lexer.next()
}

// word takes the keyword w when it is next.
func (p *parser) word(w string) bool {
	if !p.tok.isWord(w) {
		return false
	}
	p.advance()
	return true
}

// words takes the first of the alternatives that is next and returns it, "" if none is.
func (p *parser) words(alternatives ...string) string {
	for _, w := range alternatives {
		if p.word(w) {
			return w
		}
	}
	return ""
}

// punct takes the punctuation s when it is next.
func (p *parser) punct(s string) bool {
	if !p.tok.is(s) {
		return false
	}
	p.advance()
	return true
}

// name takes a name, quoted or not.
func (p *parser) name() (string, error) {
	if !p.tok.isName() {
		return "", p.unexpected()
	}
	name := p.tok.value
	p.advance()
	return name, nil
}

// nameOrString takes a name, a word even if it is reserved, or a string.
func (p *parser) nameOrString() (string, error) {
	switch p.tok.kind {
	case tokenWord, tokenQuotedName, tokenString:
		value := p.tok.value
		p.advance()
		return value, nil
	}
	return "", p.unexpected()
}

// unexpected is the syntax error at the token that is next.
func (p *parser) unexpected() error { return syntaxError(p.lexer.text, p.tok.start) }
