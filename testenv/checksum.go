package testenv

import (
	"context"
	"fmt"
	"strings"
)

// TableChecksums is what CHECKSUM TABLE says of every table outside the system schemas, by
// schema.table. It reads every row; equal sums mean equal rows, their order aside, and a row that is
// there twice shows. Nothing may write meanwhile if the sums are to be of one moment.
func (m *MySQL) TableChecksums(ctx context.Context) (map[string]string, error) {
	tables, err := m.queryRows(ctx, `SELECT table_schema AS s, table_name AS t FROM information_schema.tables
		WHERE table_type = 'BASE TABLE'
		AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')`)
	if err != nil {
		return nil, err
	}
	sums := make(map[string]string, len(tables))
	for _, table := range tables {
		name := quoteName(table["s"]) + "." + quoteName(table["t"])
		rows, err := m.queryRows(ctx, "CHECKSUM TABLE "+name)
		if err != nil {
			return nil, err
		}
		// A table that has gone or is damaged gives NULL and a warning, not an error.
		if len(rows) != 1 || rows[0]["Checksum"] == "" {
			return nil, fmt.Errorf("CHECKSUM TABLE %s on %s gives no sum", name, m.options.Name)
		}
		sums[table["s"]+"."+table["t"]] = rows[0]["Checksum"]
	}
	return sums, nil
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
