package replication

import "fmt"

// Flavor is the family a server belongs to. The two families share the framing of
// events and differ in GTIDs, several event types and the statements they answer.
type Flavor uint8

const (
	MySQL Flavor = iota // MySQL, Percona Server and whatever else uses UUID GTIDs
	MariaDB
)

// String gives the name that ParseFlavor reads and the configuration uses.
func (f Flavor) String() string {
	switch f {
	case MySQL:
		return "mysql"
	case MariaDB:
		return "mariadb"
	}
	return fmt.Sprintf("flavor %d", uint8(f))
}

// ParseFlavor reads "mysql" or "mariadb", in lower case.
func ParseFlavor(s string) (Flavor, error) {
	switch s {
	case "mysql":
		return MySQL, nil
	case "mariadb":
		return MariaDB, nil
	}
	return 0, fmt.Errorf("flavor %q: expected mysql or mariadb", s)
}
