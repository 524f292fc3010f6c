package workload

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// small writes one to ten rows of all the common types, sometimes changing or
// deleting what stands there. Every statement is deterministic, so that the
// STATEMENT format may write it down.
func (l *Load) small(ctx context.Context, tx *sql.Tx, random *rand.Rand) error {
	table := l.options.Database + ".kinds"
	for range 1 + random.IntN(10) {
		_, err := tx.ExecContext(ctx, "INSERT INTO "+table+` (i, u, d, f, c, v, b, t, j, dt, ts, da, ti, y, e, s, bi)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, values(random)...)
		if err != nil {
			return err
		}
	}
	id := random.Int64N(2000)
	switch random.IntN(4) {
	case 0:
		_, err := tx.ExecContext(ctx, "UPDATE "+table+" SET i = i + 1, v = CONCAT(LEFT(v, 100), '+') WHERE id = ?", id)
		return err
	case 1:
		_, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE id = ?", id)
		return err
	}
	return nil
}

func values(random *rand.Rand) []any {
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(300 * 24 * time.Hour))))
	text := strings.Repeat("Ünïcödé \\' \" ☃ ", random.IntN(8))
	return []any{
		random.Int32(), random.Uint64(), fmt.Sprintf("%d.%06d", random.Int32(), random.IntN(1e6)), random.NormFloat64(),
		text[:min(len(text), 9)], text, randomBytes(random, random.IntN(200)), strings.Repeat("t", random.IntN(2000)),
		fmt.Sprintf(`{"n": %d, "list": [1, 2, "x"]}`, random.IntN(1e9)),
		day.Format("2006-01-02 15:04:05.000000"), day.Format("2006-01-02 15:04:05.000"), day.Format("2006-01-02"),
		day.Format("15:04:05.00"), 1901 + random.IntN(200), string("abc"[random.IntN(3)]), "x,z", random.IntN(1 << 17),
	}
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

const (
	bigRow  = 20 << 20 // bytes; its event needs more than one packet of the protocol
	keepBig = 4        // big transactions whose rows stay, so that the table does not grow for ever
)

// big writes one transaction of BigBytes. The bytes are in the statements themselves,
// so that every binlog format has to write them down.
func (l *Load) big(ctx context.Context, conn *sql.Conn, worker int, random *rand.Rand) error {
	table := l.options.Database + ".big"
	if l.bigBegun.Add(1)%keepBig == 0 {
		if _, err := conn.ExecContext(ctx, "TRUNCATE TABLE "+table); err != nil {
			return err
		}
	}
	block := randomBytes(random, 1<<10)
	err := l.rows(ctx, conn, worker, func(tx *sql.Tx) error {
		for left := l.options.BigBytes; left > 0; left -= bigRow {
			row := bytes.Repeat(block, min(left, bigRow)/len(block)+1)[:min(left, bigRow)]
			if _, err := tx.ExecContext(ctx, "INSERT INTO "+table+" (data) VALUES (?)", row); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		l.Big.Add(1)
	}
	return err
}

// ddl creates, changes, empties and fills again a table of the worker's own, and
// drops one beside it.
func (l *Load) ddl(ctx context.Context, conn *sql.Conn, worker int, random *rand.Rand) error {
	table := fmt.Sprintf("%s.ddl_%d", l.options.Database, worker)
	for _, statement := range []string{
		"DROP TABLE IF EXISTS " + table + ", " + table + "_copy",
		"CREATE TABLE " + table + " (id INT PRIMARY KEY, v VARCHAR(20))",
		fmt.Sprintf("INSERT INTO %s VALUES (1, 'one'), (2, 'two'), (%d, 'n')", table, 3+random.IntN(1000)),
		fmt.Sprintf("ALTER TABLE %s ADD COLUMN extra_%d INT DEFAULT 7, ADD KEY (v)", table, random.IntN(10)),
		"CREATE TABLE " + table + "_copy SELECT * FROM " + table,
		"TRUNCATE TABLE " + table,
		"INSERT INTO " + table + " SELECT * FROM " + table + "_copy",
		"DROP TABLE " + table + "_copy",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
