package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// openDriver connects with go-sql-driver; it takes full authentication by RSA when
// the fast path is refused.
func openDriver(t *testing.T, ts *testServer, user, password string) *sql.DB {
	t.Helper()
	return openPool(t, ts.addr, user, password, func(*mysql.Config) {})
}

func openPool(t *testing.T, addr, user, password string, change func(*mysql.Config)) *sql.DB {
	t.Helper()
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.Timeout = "tcp", addr, user, password, patience
	config.Logger = &mysql.NopLogger{}
	change(config)
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestGoSQLDriverLogsInAndAsks(t *testing.T) {
	for name, native := range map[string]bool{"caching_sha2_password": false, "mysql_native_password first": true} {
		t.Run(name, func(t *testing.T) {
			ts := startServer(t, func(o *Options) { o.NativeFirst = native })
			db := openDriver(t, ts, testUser, testPassword)
			var id int
			var version, uuid string
			if err := db.QueryRow("SELECT @@server_id, VERSION(), @@global.server_uuid").Scan(&id, &version, &uuid); err != nil {
				t.Fatal(err)
			}
			if id != 77 || version != "9.7.4" || uuid != sourceUUID {
				t.Errorf("got %d, %q, %q", id, version, uuid)
			}
			if err := db.PingContext(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGoMySQLLogsInAndAsks(t *testing.T) {
	ts := startServer(t, nil)
	c, err := client.Connect(ts.addr, testUser, testPassword, "any_database")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Execute("SELECT DATABASE(), @@global.binlog_checksum AS checksum")
	if err != nil {
		t.Fatal(err)
	}
	database, _ := r.GetString(0, 0)
	checksum, _ := r.GetStringByName(0, "checksum")
	if database != "any_database" || checksum != "CRC32" {
		t.Errorf("got %q, %q", database, checksum)
	}
	if err := c.UseDB("other"); err != nil {
		t.Error(err)
	}
	_, err = c.Execute("SELECT @@nosuch")
	var e *gomysql.MyError
	if !errors.As(err, &e) || e.Code != 1193 || e.Message != "Unknown system variable 'nosuch'" {
		t.Errorf("unknown variable: %v", err)
	}
}

// A client learns nothing about which names exist: the same packets, the same text.
func TestUnknownUserLooksLikeWrongPassword(t *testing.T) {
	ts := startServer(t, nil)
	want := func(user string) string {
		return fmt.Sprintf("Access denied for user '%s'@'127.0.0.1' (using password: YES)", user)
	}
	for _, user := range []string{testUser, "nobody"} {
		err := openDriver(t, ts, user, "wrong").Ping()
		var e *mysql.MySQLError
		if !errors.As(err, &e) || e.Number != 1045 || string(e.SQLState[:]) != "28000" || e.Message != want(user) {
			t.Errorf("user %s: %v", user, err)
		}
	}
	if err := ts.Close(); err != nil { // sessions count when the client has its answer already
		t.Fatal(err)
	}
	if got := ts.Stats().AuthFailures["denied"]; got != 2 {
		t.Errorf("%d denied logins counted, want 2", got)
	}
}

func TestSlowLoginIsCutOff(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.LoginTimeout = 100 * time.Millisecond })
	<-ts.keys.done
	silent := dialRaw(t, ts.addr)
	silent.read() // the greeting
	silent.expectEOF()

	trickle := dialRaw(t, ts.addr)
	trickle.read()
	if _, err := trickle.nc.Write([]byte{200, 0, 0, 1, 0}); err != nil {
		t.Fatal(err)
	}
	trickle.expectEOF()
	if err := ts.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ts.Stats().AuthFailures["timeout"]; got != 2 {
		t.Errorf("%d timeouts counted, want 2", got)
	}
}

func TestRubbishInsteadOfALogin(t *testing.T) {
	ts := startServer(t, nil)
	for _, rubbish := range []string{"GET / HTTP/1.1\r\n\r\n", "\x01\x00\x00\x01\x00", "\xff\xff\xff\x01"} {
		c := dialRaw(t, ts.addr)
		c.read()
		if _, err := c.nc.Write([]byte(rubbish)); err != nil {
			t.Fatal(err)
		}
		if err := c.nc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := c.conn.ReadPacket(1 << 16); err != nil {
				break // an error packet may come first
			}
		}
	}
	c := connect(t, ts, 0)
	c.mustQuery("SELECT 1")
}

// An old connection that has not logged in gives way, so that a flood of them
// keeps nobody out.
func TestFloodOfIdleConnectionsKeepsNobodyOut(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.MaxPending = 3 })
	var idle []*rawClient
	for range 10 {
		c := dialRaw(t, ts.addr)
		c.read()
		idle = append(idle, c)
	}
	for _, c := range idle[:7] {
		c.expectEOF()
	}
	c := connect(t, ts, 0)
	c.mustQuery("SELECT 1")
}

func TestTooManyConnections(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.MaxConnections = 1 })
	first := connect(t, ts, 0)
	second := dialRaw(t, ts.addr)
	e := second.expectError(wire.ERConCount)
	if e.State != "" || e.Message != "Too many connections" {
		t.Errorf("got %+v", e)
	}
	second.expectEOF()
	first.conn.ResetSequence()
	first.write([]byte{byte(wire.ComQuit)})
	first.expectEOF()
}

func TestNoGreetingWhileTheSourceIsUnknown(t *testing.T) {
	ts := startServer(t, nil)
	ts.upstream.mu.Lock()
	ts.upstream.unknown = true
	ts.upstream.mu.Unlock()
	dialRaw(t, ts.addr).expectEOF()
}

func TestConnectionIDsAreUnique(t *testing.T) {
	ts := startServer(t, nil)
	ids := make(map[uint32]bool)
	for range 20 {
		c := connect(t, ts, 0)
		if c.id == 0 || ids[c.id] || c.mustQuery("SELECT CONNECTION_ID()") != fmt.Sprint(c.id) {
			t.Fatalf("connection id %d", c.id)
		}
		ids[c.id] = true
	}
}
