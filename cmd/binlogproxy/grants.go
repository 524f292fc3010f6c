package main

import (
	"fmt"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/internal/dial"
)

// grantsCommand prints what a source's administrator has to run. Its flags are those
// of run; only the user and how it connects count.
type grantsCommand struct {
	runFlags
	Host string `help:"Host from which we connect, as the account names it." default:"%"`
}

// privileges are what we need at a source, what for, and a statement that each allows.
var privileges = []struct{ name, why, statement string }{
	{"REPLICATION SLAVE", "to receive the binlog, and to see the server_ids of other replicas", "SHOW REPLICAS"},
	{"REPLICATION CLIENT", "to list the binlog files and to ask for the end of the log, which is our lag", "SHOW BINARY LOGS"},
}

// Run prints SQL for MySQL 8.0.18 and later.
func (g *grantsCommand) Run(s streams) error {
	c, err := g.merged()
	if err != nil {
		return err
	}
	c.FillDefaults()
	var text strings.Builder
	for _, source := range c.Sources {
		if source.User == "" {
			return &usageError{fmt.Errorf("source %s: no user is configured (--user)", source.Name)}
		}
		writeGrants(&text, source, g.Host)
	}
	if text.Len() == 0 {
		return &usageError{fmt.Errorf("no source is configured: give --user, or --config")}
	}
	_, err = fmt.Fprint(s.out, text.String())
	return err
}

func writeGrants(text *strings.Builder, source config.Source, host string) {
	account := quoteSQL(source.User) + "@" + quoteSQL(host)
	fmt.Fprintf(text, "-- Source %s: run this at its primary. The first statement prints a password, for password-file.\n", source.Name)
	require := ""
	switch {
	case source.SSLCert != "":
		require = " REQUIRE X509"
	case source.SSLMode != dial.SSLDisabled && source.SSLMode != dial.SSLPreferred:
		require = " REQUIRE SSL"
	}
	fmt.Fprintf(text, "CREATE USER IF NOT EXISTS %s IDENTIFIED BY RANDOM PASSWORD%s;\n", account, require)
	for _, p := range privileges {
		fmt.Fprintf(text, "-- %s\nGRANT %s ON *.* TO %s;\n", p.why, p.name, account)
	}
}

// quoteSQL makes a string literal.
func quoteSQL(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}
