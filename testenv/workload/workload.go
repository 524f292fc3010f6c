// Package workload puts a seeded, mixed load on a MySQL server: transactions from
// one row to many megabytes, the common column types, DDL, and the binlog formats
// ROW, STATEMENT and MIXED side by side.
//
// Each transaction also inserts its number into a ledger table that has no unique
// key, so that a transaction applied twice shows as two rows instead of an error.
package workload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Options say what load is made.
type Options struct {
	Seed     uint64        // of everything random; print it
	Database string        // created if missing; "" = "workload"
	Workers  int           // connections; 0 = 4
	Pause    time.Duration // between two transactions of one worker; 0 = none
	BigEvery int           // every n-th transaction of a worker is a big one, whatever the format; 0 = never
	BigBytes int           // payload of a big transaction; 0 = 64 MiB
	DDL      bool          // create, alter, truncate and drop tables now and then
	Formats  bool          // some sessions write STATEMENT and MIXED instead of ROW
	Flush    int           // every n-th transaction of the first worker is FLUSH BINARY LOGS; 0 = never
	MyISAM   bool          // write a table without transactions too; not where the server is killed, which may lose its rows, not its events
	KeepOn   bool          // go on after errors, as while the server is restarted
}

// Load is a running load. Its counters may be read at any time.
type Load struct {
	options      Options
	db           *sql.DB
	number       atomic.Int64
	bigBegun     atomic.Int64
	Transactions atomic.Int64 // committed
	Big          atomic.Int64 // committed with BigBytes of payload
	Errors       atomic.Int64
	cancel       context.CancelFunc
	wait         sync.WaitGroup
	first        atomic.Pointer[error]
}

// Start prepares the tables and starts the workers. Stop ends and joins them.
func Start(ctx context.Context, db *sql.DB, options Options) (*Load, error) {
	if options.Database == "" {
		options.Database = "workload"
	}
	if options.Workers == 0 {
		options.Workers = 4
	}
	if options.BigBytes == 0 {
		options.BigBytes = 64 << 20
	}
	l := &Load{options: options, db: db}
	if err := l.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare the load: %w", err)
	}
	ctx, l.cancel = context.WithCancel(ctx)
	for i := range options.Workers {
		l.wait.Add(1)
		go func() {
			defer l.wait.Done()
			l.work(ctx, i)
		}()
	}
	return l, nil
}

// Stop ends the load, waits for its workers, and returns the first error that a
// load without KeepOn met.
func (l *Load) Stop() error {
	l.cancel()
	l.wait.Wait()
	if err := l.first.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *Load) prepare(ctx context.Context) error {
	d := l.options.Database
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS " + d,
		"CREATE TABLE IF NOT EXISTS " + d + ".ledger (n BIGINT NOT NULL, worker INT NOT NULL) ENGINE=InnoDB",
		"CREATE TABLE IF NOT EXISTS " + d + `.kinds (id BIGINT PRIMARY KEY AUTO_INCREMENT, i INT, u BIGINT UNSIGNED, d DECIMAL(20,6),
			f DOUBLE, c CHAR(20), v VARCHAR(300) CHARACTER SET utf8mb4, b VARBINARY(200), t TEXT, j JSON, dt DATETIME(6),
			ts TIMESTAMP(3) NULL, da DATE, ti TIME(2), y YEAR, e ENUM('a','b','c'), s SET('x','y','z'), bi BIT(17))`,
		"CREATE TABLE IF NOT EXISTS " + d + ".big (id BIGINT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB)",
		"CREATE TABLE IF NOT EXISTS " + d + ".plain (id INT, note VARCHAR(50), KEY (id)) ENGINE=MyISAM",
	} {
		if _, err := l.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// work runs one worker's transactions on a connection of its own, opened anew
// after an error.
func (l *Load) work(ctx context.Context, worker int) {
	random := rand.New(rand.NewPCG(l.options.Seed, uint64(worker)))
	for n := 0; ctx.Err() == nil; {
		err := l.session(ctx, worker, random, &n)
		if ctx.Err() != nil || err == nil {
			return
		}
		l.Errors.Add(1)
		if !l.options.KeepOn {
			l.first.CompareAndSwap(nil, &err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *Load) session(ctx context.Context, worker int, random *rand.Rand, n *int) error {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if l.options.Formats {
		format := []string{"ROW", "MIXED", "STATEMENT"}[worker%3]
		if _, err := conn.ExecContext(ctx, "SET SESSION binlog_format = "+format+", sql_mode = ''"); err != nil {
			return err
		}
	}
	for ; ctx.Err() == nil; *n++ {
		err := l.transaction(ctx, conn, worker, random, *n)
		if lostToOthers(err) {
			continue
		}
		if err != nil {
			return err
		}
		l.Transactions.Add(1)
		if l.options.Pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(l.options.Pause):
			}
		}
	}
	return nil
}

// lostToOthers reports a deadlock or a lock timeout, which a mixed load must expect.
func lostToOthers(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1213 || e.Number == 1205)
}

func (l *Load) transaction(ctx context.Context, conn *sql.Conn, worker int, random *rand.Rand, n int) error {
	// A transaction that was begun is finished even when the load is stopped: a
	// cancelled one would leave its outcome unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	o := l.options
	switch {
	case o.Flush > 0 && worker == 0 && n%o.Flush == o.Flush-1:
		_, err := conn.ExecContext(ctx, "FLUSH BINARY LOGS")
		return err
	case o.BigEvery > 0 && n%o.BigEvery == o.BigEvery-1:
		return l.big(ctx, conn, worker, random)
	case o.DDL && random.IntN(100) == 0:
		return l.ddl(ctx, conn, worker, random)
	case o.MyISAM && random.IntN(20) == 0:
		_, err := conn.ExecContext(ctx, "INSERT INTO "+o.Database+".plain VALUES (?, 'outside any transaction')", random.IntN(1000))
		return err
	}
	return l.rows(ctx, conn, worker, func(tx *sql.Tx) error { return l.small(ctx, tx, random) })
}

// rows runs one transaction with a ledger entry.
func (l *Load) rows(ctx context.Context, conn *sql.Conn, worker int, body func(*sql.Tx) error) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO "+l.options.Database+".ledger VALUES (?, ?)", l.number.Add(1), worker)
	if err == nil {
		err = body(tx)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
