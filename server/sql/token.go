package sql

// tokenKind says what a token is. Punctuation has one kind; its text tells which.
type tokenKind uint8

const (
	tokenEnd        tokenKind = iota
	tokenWord                 // unquoted identifier or keyword
	tokenQuotedName           // `name`
	tokenString               // 'text', "text", _utf8mb4'text', N'text'
	tokenHex                  // 0x4142, x'4142'; value holds the bytes
	tokenInteger              // 123
	tokenDecimal              // 1.5, .5, 1e3
	tokenUserVar              // @name, @'name', @`name`; value holds the name
	tokenSystemVar            // @@; the name follows as words
	tokenPunct                // operators and punctuation
	tokenBad                  // a character or an ending no token may have
)

// token is one lexical unit. start and end are byte offsets in the statement.
type token struct {
	kind  tokenKind
	value string // unquoted and unescaped; for words as written
	start int
	end   int
}

// is reports whether the token is the punctuation p.
func (t token) is(p string) bool { return t.kind == tokenPunct && t.value == p }

// isWord reports whether the token is the unquoted word w, which must be upper case.
func (t token) isWord(w string) bool { return t.kind == tokenWord && equalFold(t.value, w) }

// isName reports whether the token may stand where a name is wanted.
func (t token) isName() bool {
	return t.kind == tokenQuotedName || t.kind == tokenWord && !reserved[upper(t.value)]
}

// reserved holds the reserved words (manual, "Keywords and Reserved Words") that
// can meet this dialect. A word that is missing here is taken for a name, which
// makes us more lenient than mysqld, never stricter.
var reserved = map[string]bool{
	"ALL": true, "ALTER": true, "AND": true, "AS": true, "ASC": true, "BETWEEN": true, "BY": true, "CALL": true,
	"CASE": true, "CHANGE": true, "CREATE": true, "CROSS": true, "DATABASES": true, "DEFAULT": true, "DELETE": true, "DESC": true,
	"DESCRIBE": true, "DISTINCT": true, "DIV": true, "DROP": true, "ELSE": true, "EXISTS": true, "EXPLAIN": true, "FALSE": true,
	"FOR": true, "FROM": true, "GRANT": true, "GROUP": true, "HAVING": true, "IN": true, "INNER": true, "INSERT": true,
	"INTO": true, "IS": true, "JOIN": true, "KEYS": true, "KILL": true, "LEFT": true, "LIKE": true, "LIMIT": true,
	"LOAD": true, "LOCK": true, "MOD": true, "NOT": true, "NULL": true, "ON": true, "OR": true, "ORDER": true,
	"OUTER": true, "PURGE": true, "READ": true, "REGEXP": true, "RENAME": true, "REPLACE": true, "REVOKE": true, "RIGHT": true,
	"RLIKE": true, "SELECT": true, "SET": true, "SHOW": true, "TABLE": true, "THEN": true, "TO": true, "TRUE": true,
	"UNION": true, "UNLOCK": true, "UPDATE": true, "USE": true, "USING": true, "VALUES": true, "WHEN": true, "WHERE": true,
	"WITH": true, "WRITE": true, "XOR": true,
}
