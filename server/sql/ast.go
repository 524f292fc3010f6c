package sql

// Statement is one parsed statement: *Select, *Set, *ShowVariables, *ShowStatus,
// *ShowBinaryLogs, *ShowBinaryLogStatus, *ShowReplicas, *ShowProcesslist,
// *ShowWarnings, *Kill, *Use or *Nothing.
type Statement interface{ statement() }

// Select is SELECT item, … [FROM DUAL] [LIMIT n]: one row made of expressions.
type Select struct {
	Items []SelectItem
	// NoRow says that LIMIT 0 leaves the row out.
	NoRow bool
}

// SelectItem is one column of a Select.
type SelectItem struct {
	Expr Expr
	// Label names the column: the alias, else (for a lone string) the string, of
	// several that are joined the first, else the expression as it was written.
	Label string
}

// Set is SET assignment, …; the assignments happen in order.
type Set struct{ Items []SetItem }

// SetItem is one assignment: *SetUserVar, *SetSystemVar or *SetNames.
type SetItem interface{ setItem() }

// SetUserVar is @name = value. Name is in lower case: user variables' names have no case.
type SetUserVar struct {
	Name  string
	Value Expr
}

// SetSystemVar is [scope] name = value. Value is nil for DEFAULT; a bare word
// (ON, utf8mb4) is a Column.
type SetSystemVar struct {
	Scope Scope
	Name  string
	Value Expr
}

// SetNames is SET NAMES charset [COLLATE collation], and SET CHARACTER SET. Both
// are "" for DEFAULT.
type SetNames struct{ Charset, Collation string }

// ShowVariables is SHOW [GLOBAL|SESSION] VARIABLES.
type ShowVariables struct {
	Scope  Scope
	Filter Filter
}

// ShowStatus is SHOW [GLOBAL|SESSION] STATUS.
type ShowStatus struct {
	Scope  Scope
	Filter Filter
}

// Filter is what may follow a SHOW: nothing, LIKE 'pattern' or WHERE expr. At most
// one of the two is set.
type Filter struct {
	Like  *string
	Where Expr
}

// ShowBinaryLogs is SHOW BINARY LOGS or SHOW MASTER LOGS.
type ShowBinaryLogs struct{}

// ShowBinaryLogStatus is SHOW BINARY LOG STATUS, SHOW MASTER STATUS or SHOW BINLOG STATUS.
type ShowBinaryLogStatus struct{}

// ShowReplicas is SHOW REPLICAS, or SHOW SLAVE HOSTS with its older column names.
type ShowReplicas struct{ Old bool }

// ShowProcesslist is SHOW [FULL] PROCESSLIST.
type ShowProcesslist struct{ Full bool }

// ShowWarnings is SHOW WARNINGS or SHOW ERRORS.
type ShowWarnings struct{}

// Kill is KILL [CONNECTION|QUERY] id.
type Kill struct {
	Query bool
	ID    Expr
}

// Use is USE database. The name keeps its case.
type Use struct{ Database string }

// Nothing is a comment without a statement. mysqld answers OK.
type Nothing struct{}

func (*Nothing) statement()             {}
func (*Select) statement()              {}
func (*Set) statement()                 {}
func (*ShowVariables) statement()       {}
func (*ShowStatus) statement()          {}
func (*ShowBinaryLogs) statement()      {}
func (*ShowBinaryLogStatus) statement() {}
func (*ShowReplicas) statement()        {}
func (*ShowProcesslist) statement()     {}
func (*ShowWarnings) statement()        {}
func (*Kill) statement()                {}
func (*Use) statement()                 {}

func (*SetUserVar) setItem()   {}
func (*SetSystemVar) setItem() {}
func (*SetNames) setItem()     {}

// Expr is an expression: Null, Integer, Decimal, String, Hex, Bool, UserVar,
// SystemVar, Column, *Call, *Negate, *Not, *Binary or *In.
type Expr interface{ expr() }

type (
	// Null is NULL.
	Null struct{}
	// Integer is a number without point as it was written; it may exceed 64 bits.
	Integer string
	// Decimal is a number with point or exponent as it was written.
	Decimal string
	// String is a text after quotes and escapes.
	String string
	// Hex is the bytes of 0x4142 or x'4142'.
	Hex string
	// Bool is TRUE or FALSE.
	Bool bool
	// UserVar is @name, the name in lower case.
	UserVar string
	// Column is a bare or quoted name: a column in WHERE, a word in SET x = word.
	Column string
)

// SystemVar is @@[scope.]name, the name in lower case.
type SystemVar struct {
	Scope Scope
	Name  string
}

// Call is name(args), the name as it was written. CURRENT_USER and its like are
// calls without parentheses too.
type Call struct {
	Name string
	Args []Expr
}

// Negate is -x.
type Negate struct{ X Expr }

// Not is NOT x.
type Not struct{ X Expr }

// Binary is X op Y, op one of OR, AND, =, <>, LIKE.
type Binary struct {
	Op   string
	X, Y Expr
}

// In is X IN (list).
type In struct {
	X    Expr
	List []Expr
}

func (Null) expr()      {}
func (Integer) expr()   {}
func (Decimal) expr()   {}
func (String) expr()    {}
func (Hex) expr()       {}
func (Bool) expr()      {}
func (UserVar) expr()   {}
func (Column) expr()    {}
func (SystemVar) expr() {}
func (*Call) expr()     {}
func (*Negate) expr()   {}
func (*Not) expr()      {}
func (*Binary) expr()   {}
func (*In) expr()       {}

// Scope is which value of a system variable is meant.
type Scope uint8

// Scopes. ScopeNone is "not said": for reading the session's value, else the global one.
const (
	ScopeNone Scope = iota
	ScopeGlobal
	ScopeSession
)

// String returns the keyword, "" for ScopeNone.
func (s Scope) String() string { return [...]string{"", "GLOBAL", "SESSION"}[s] }
