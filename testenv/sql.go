package testenv

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

const maxIdleConns = 4

// DB is a pool of connections as root, with no default database. It outlives restarts of the server
// and ends with Terminate. Connections that a restart broke are replaced when they are next used.
func (m *MySQL) DB() *sql.DB { return m.db }

// OpenDB makes another pool. The caller closes it. Placeholders are filled in by the client, so they
// work in every statement, also in those that cannot be prepared.
func (m *MySQL) OpenDB(user, password, database string) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", m.Addr()
	config.User, config.Passwd, config.DBName = user, password, database
	config.Timeout = 5 * time.Second
	config.InterpolateParams = true
	// It reports every connection that a test cuts. The same comes as an error anyway.
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(maxIdleConns)
	return db, nil
}

// ServerUUID is the server's server_uuid.
func (m *MySQL) ServerUUID(ctx context.Context) (string, error) {
	return m.queryValue(ctx, "SELECT @@GLOBAL.server_uuid")
}

// GTIDExecuted is the server's gtid_executed.
func (m *MySQL) GTIDExecuted(ctx context.Context) (string, error) {
	return m.queryValue(ctx, "SELECT @@GLOBAL.gtid_executed")
}

func (m *MySQL) queryValue(ctx context.Context, query string, args ...any) (value string, err error) {
	err = m.db.QueryRowContext(ctx, query, args...).Scan(&value)
	return value, m.explain(fmt.Sprintf("%q on", query), err)
}

// queryRows returns rows by column name, as text, NULL as "". For SHOW statements: their columns
// differ from version to version.
func (m *MySQL) queryRows(ctx context.Context, query string, args ...any) ([]map[string]string, error) {
	rows, err := m.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, m.explain(fmt.Sprintf("%q on", query), err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var result []map[string]string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		row := make(map[string]string, len(columns))
		for i, column := range columns {
			row[column] = values[i].String
		}
		result = append(result, row)
	}
	return result, m.explain(fmt.Sprintf("%q on", query), rows.Err())
}
