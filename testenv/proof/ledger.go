package proof

import (
	"context"
	"fmt"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// ledger is what a server's ledger table holds.
type ledger struct {
	rows    int64
	doubled int64 // numbers that stand there more than once
	first   int64 // the lowest of these; 0: none
}

// Ledger looks whether a replica's ledger table, schema.table with a column n, has
// each number once and as many rows as the primary's. A transaction that was
// applied twice, and one that was left out, show here.
func Ledger(ctx context.Context, primary, replica *testenv.MySQL, table string) (Line, error) {
	theirs, err := readLedger(ctx, primary, table)
	if err != nil {
		return Line{}, err
	}
	ours, err := readLedger(ctx, replica, table)
	return compareLedgers(table, ours, theirs), err
}

func readLedger(ctx context.Context, m *testenv.MySQL, table string) (l ledger, err error) {
	if err = m.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&l.rows); err != nil {
		return l, fmt.Errorf("rows of %s: %w", table, err)
	}
	err = m.DB().QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(MIN(n), 0) FROM (SELECT n FROM "+table+" GROUP BY n HAVING COUNT(*) > 1) AS d").
		Scan(&l.doubled, &l.first)
	if err != nil {
		return l, fmt.Errorf("numbers that %s has twice: %w", table, err)
	}
	return l, nil
}

func compareLedgers(table string, ours, theirs ledger) Line {
	line := Line{What: table + ", each number once"}
	switch {
	case ours.doubled > 0:
		line.Detail = fmt.Sprintf("%d numbers stand there twice, the first is %d", ours.doubled, ours.first)
	case ours.rows != theirs.rows:
		line.Detail = fmt.Sprintf("%d rows, the primary has %d", ours.rows, theirs.rows)
	case ours.rows == 0:
		line.Detail = "no rows"
	default:
		line.Equal, line.Detail = true, fmt.Sprintf("%d rows", ours.rows)
	}
	return line
}
