package workload_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The load is what it says: what it counts as committed stands in the ledger, big
// transactions are written down in every format, and when it has been stopped no
// table but the one it was told to leave alone is empty.
func TestLoadIsMixedAndStops(t *testing.T) {
	const seed, bigBytes = 1, 3 << 20
	m := testenv.NewMySQL(t, testenv.MySQLOptions{})
	l, err := workload.Start(t.Context(), m.DB(), workload.Options{
		Seed: seed, Workers: 3, BigEvery: 150, BigBytes: bigBytes, DDL: true, Formats: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.Tick(20 * time.Millisecond); l.Transactions.Load() < 1500 || l.Big.Load() < 6; {
		select {
		case <-tick:
		case <-ctx.Done():
			t.Fatalf("seed %d: %d transactions, %d big ones: %v", seed, l.Transactions.Load(), l.Big.Load(), l.Stop())
		}
	}
	if err := l.Stop(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	done, big := l.Transactions.Load(), l.Big.Load()

	count := func(query string) (n int64) {
		t.Helper()
		if err := m.DB().QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return n
	}
	rows := count("SELECT COUNT(*) FROM workload.ledger") // not for each DDL, which counts too
	if rows > done || rows < done*9/10 {
		t.Errorf("seed %d: %d rows in the ledger after %d transactions", seed, rows, done)
	}
	for _, table := range []string{"kinds", "big", "ddl_0", "ddl_1", "ddl_2"} {
		if count("SELECT COUNT(*) FROM workload."+table) == 0 {
			t.Errorf("seed %d: %s is empty after %d transactions", seed, table, done)
		}
	}
	if rows := count("SELECT COUNT(*) FROM workload.big"); rows > 8 {
		t.Errorf("seed %d: big grows: %d rows after %d big transactions", seed, rows, big)
	}
	files, err := m.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var written int64
	for _, f := range files {
		written += f.Size
	}
	if written < big*bigBytes {
		t.Errorf("seed %d: %d bytes of binlog for %d big transactions of %d bytes", seed, written, big, bigBytes)
	}
	if l.Transactions.Load() != done {
		t.Error("it goes on after Stop")
	}
}
