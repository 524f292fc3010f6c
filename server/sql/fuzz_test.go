package sql

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse checks that whatever is accepted means the same in another case, with
// other blanks and with comments between its tokens, and that a statement is
// either parsed or refused, never both.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"SELECT @@GLOBAL.SERVER_ID AS a, @x, 'it''s' \"q\", 0x41, N'n', -1.5e3, f(1,(2)) LIMIT 1",
		"SET @master_binlog_checksum= @@global.binlog_checksum, @`a`=:=1, NAMES utf8 COLLATE x, SESSION a=ON",
		"SHOW GLOBAL VARIABLES WHERE NOT Variable_name LIKE 'a\\_%' AND (b <> 1 OR c IN (1,2))",
		"/*!40101 KILL QUERY 5 */; -- done", "USE `a``b`", "# x\nSHOW BINARY LOG STATUS", "SELECT '\\", "/*", "@@", "",
	} {
		f.Add(s, uint64(1))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		got, err := Parse(text, 90704)
		if (got == nil) == (err == nil) {
			t.Fatalf("Parse(%q) = %v, %v", text, got, err)
		}
		if _, nothing := got.(*Nothing); err != nil || nothing {
			return
		}
		variant := rewrite(text, rand.New(rand.NewPCG(seed, 0)))
		again, err := Parse(variant, 90704)
		if err != nil {
			t.Fatalf("Parse(%q): %v\nthough %q is accepted", variant, err, text)
		}
		if !reflect.DeepEqual(normal(got), normal(again)) {
			t.Fatalf("%q\n and %q\n differ:\n%#v\n%#v", text, variant, got, again)
		}
	})
}

// rewrite gives the tokens of text with other blanks and comments between them
// and the letters of words in another case.
func rewrite(text string, random *rand.Rand) string {
	gaps := []string{" ", "\n\t", "/* c */", " -- c\n", "#c\n", "/*!99999 c */ "}
	l := lexer{text: text, version: 90704}
	var out strings.Builder
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		out.WriteString(" " + gaps[random.IntN(len(gaps))])
		written := text[t.start:t.end]
		if t.kind == tokenWord && !isDigit(written[0]) { // 0X41 is a name, 0x41 a number
			if written = upper(written); random.IntN(2) == 0 {
				written = lower(written)
			}
		}
		out.WriteString(written)
	}
	return out.String()
}

// normal leaves out of a statement what the case and blanks of its text may
// change: labels, and the case of names.
func normal(s Statement) Statement {
	switch s := s.(type) {
	case *Select:
		for i := range s.Items {
			s.Items[i].Label = ""
			s.Items[i].Expr = normalExpr(s.Items[i].Expr)
		}
	case *Set:
		for _, item := range s.Items {
			switch item := item.(type) {
			case *SetUserVar:
				item.Value = normalExpr(item.Value)
			case *SetSystemVar:
				item.Value = normalExpr(item.Value)
			}
		}
	case *ShowVariables:
		s.Filter.Where = normalExpr(s.Filter.Where)
	case *ShowStatus:
		s.Filter.Where = normalExpr(s.Filter.Where)
	case *Kill:
		s.ID = normalExpr(s.ID)
	case *Use:
		s.Database = lower(s.Database)
	}
	return s
}

func normalExpr(e Expr) Expr {
	switch e := e.(type) {
	case Column:
		return Column(lower(string(e)))
	case *Call:
		e.Name = lower(e.Name)
		normalList(e.Args)
	case *Negate:
		e.X = normalExpr(e.X)
	case *Not:
		e.X = normalExpr(e.X)
	case *Binary:
		e.X, e.Y = normalExpr(e.X), normalExpr(e.Y)
	case *In:
		e.X = normalExpr(e.X)
		normalList(e.List)
	}
	return e
}

func normalList(list []Expr) {
	for i := range list {
		list[i] = normalExpr(list[i])
	}
}
