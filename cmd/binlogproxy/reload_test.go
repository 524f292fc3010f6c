package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// pinned is one connection to a daemon.
func pinned(t *testing.T, address string) *sql.Conn {
	t.Helper()
	c, err := downstream(t, address, testenv.ReplicationUser, testenv.ReplicationPassword).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAReloadWhoseAccountsCannotBeKeptLeavesDownstreamsAlone(t *testing.T) {
	one := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "one"})
	f := newFleet(t)
	address, moved := reserved(t), reserved(t)
	kept := f.source("kept", one.Addr(), address)
	f.write(t, kept)
	restart(t, f.Daemon)
	c := pinned(t, address)

	accounts := filepath.Join(f.dir, "kept", "accounts.json")
	if err := os.Remove(accounts); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(accounts, 0o700); err != nil { // can neither be read nor replaced
		t.Fatal(err)
	}
	another := strings.Replace(kept, "accounts: [{user: "+testenv.ReplicationUser, "accounts: [{user: another", 1)
	for i, next := range []string{another, strings.Replace(another, address, moved, 1)} {
		f.write(t, next)
		f.reload(t)
		eventually(t, "a reload that is not taken over", func() (bool, string) {
			return strings.Count(f.Tail(), "a reload was not taken over") == i+1, f.Tail()
		})
		st, err := status(t, f.Daemon)
		if err != nil || st.Reload.Successful || !strings.Contains(st.Reload.Error, "accounts.json") || !st.Ready || st.Sources[0].Listen != address {
			t.Errorf("%+v, %v", st, err)
		}
		if err := c.PingContext(t.Context()); err != nil {
			t.Errorf("a connection was cut: %v", err)
		}
		pinned(t, address) // by the account of before
	}

	if err := os.Remove(accounts); err != nil {
		t.Fatal(err)
	}
	f.reload(t)
	eventually(t, "the accounts of the reload", func() (bool, string) {
		err := downstream(t, moved, "another", testenv.ReplicationPassword).PingContext(t.Context())
		return err == nil, fmt.Sprint(err)
	})
	if st, err := status(t, f.Daemon); err != nil || !st.Reload.Successful || st.Reload.Error != "" {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestAReloadOfMaxConnectionsLeavesConnectionsAlone(t *testing.T) {
	one := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "one"})
	f := newFleet(t)
	address := reserved(t)
	kept := f.source("kept", one.Addr(), address)
	f.write(t, strings.Replace(kept, "{", "{max-connections: 2, ", 1))
	restart(t, f.Daemon)
	first, second := pinned(t, address), pinned(t, address)
	third := func() error {
		db := downstream(t, address, testenv.ReplicationUser, testenv.ReplicationPassword)
		db.SetMaxIdleConns(0) // it makes room again
		return db.PingContext(t.Context())
	}
	if err := third(); err == nil || !strings.Contains(err.Error(), "1040") {
		t.Fatalf("beyond the limit: %v", err)
	}
	f.write(t, strings.Replace(kept, "{", "{max-connections: 3, ", 1))
	f.reload(t)
	eventually(t, "room for a third", func() (bool, string) { err := third(); return err == nil, fmt.Sprint(err) })
	f.write(t, strings.Replace(kept, "{", "{max-connections: 1, ", 1))
	f.reload(t)
	eventually(t, "no room", func() (bool, string) {
		err := third()
		return err != nil && strings.Contains(err.Error(), "1040"), fmt.Sprint(err)
	})
	for _, c := range []*sql.Conn{first, second} {
		if err := c.PingContext(t.Context()); err != nil {
			t.Errorf("a connection was cut: %v", err)
		}
	}
}

// A log's recovery may take long: a reload does not begin it again, but ends the pause
// before the next try.
func TestAReloadLeavesALogThatIsBeingOpenedAlone(t *testing.T) {
	d := &daemon{config: &config.Config{DataDir: t.TempDir()}, logger: slog.New(slog.DiscardHandler)}
	s := newSource(d, settings{Source: config.Source{Name: "main"}})
	ctx, end := context.WithCancel(t.Context())
	turns := 0
	_ = s.archiving.run(ctx, s.pauseMax, func(turn context.Context) error {
		turns++
		s.change(s.now())
		if turn.Err() != nil {
			t.Error("the opening was cut short")
		}
		if turns == 2 { // also behind a failure
			end()
		}
		return errors.New("it failed")
	}, func(error) bool {
		s.change(s.now())
		return false
	})
	if turns != 2 {
		t.Errorf("%d turns", turns)
	}
}
