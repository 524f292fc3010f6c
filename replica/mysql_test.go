package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
)

// The tests that need no settings of their own share a server: starting one
// takes longer than all of them.
func TestAgainstAPrimary(t *testing.T) {
	p := startPrimary(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *primary)
	}{
		{"it refuses, or lacks what we need", testRefusals},
		{"it is cut off at every packet", testCutAtEveryPacket},
		{"it stalls", testStalls},
		{"it has purged", testPurged},
		{"it was reset", testReset},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, &primary{MySQL: p.MySQL, t: t}) })
	}
}

// primary is a real server with an account for us.
type primary struct {
	*testenv.MySQL
	t testing.TB
}

const primaryPassword = "p'ass\"word of a replica"

func startPrimary(t testing.TB, args ...string) *primary {
	t.Helper()
	p := &primary{MySQL: testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: args}), t: t}
	p.exec("CREATE USER follower IDENTIFIED BY '"+strings.ReplaceAll(primaryPassword, "'", "''")+"'",
		"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO follower",
		"CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a LONGBLOB)")
	return p
}

func (p *primary) exec(statements ...string) {
	p.t.Helper()
	for _, s := range statements {
		if _, err := p.DB().ExecContext(p.t.Context(), s); err != nil {
			p.t.Fatalf("%.80s: %v", s, err)
		}
	}
}

func (p *primary) options(sink Sink) Options {
	options := testOptions(p.Addr(), sink)
	options.Source.User, options.Source.Password = "follower", primaryPassword
	return options
}

// files are the server's own, as a source sends them.
func (p *primary) files() []fakesource.File {
	p.t.Helper()
	listed, err := p.BinlogFiles(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	var files []fakesource.File
	for _, f := range listed {
		var b bytes.Buffer
		if err := p.ReadBinlog(p.t.Context(), f.Name, &b); err != nil {
			p.t.Fatal(err)
		}
		files = append(files, fakesource.File{Name: f.Name, Bytes: b.Bytes()})
	}
	return files
}

func (p *primary) load() {
	p.t.Helper()
	p.exec("INSERT INTO d.t (a) VALUES ('one'), ('two')",
		"INSERT INTO d.t (a) VALUES (REPEAT('x', 3000000))",
		"FLUSH BINARY LOGS",
		"UPDATE d.t SET a = CONCAT('u', a) WHERE id < 3",
		"ALTER TABLE d.t COMMENT = 'changed'",
		"INSERT INTO d.t (a) SELECT a FROM d.t WHERE id < 3")
}

func TestFollowsAPrimaryThroughItsLife(t *testing.T) {
	p := startPrimary(t, "--max-allowed-packet=64M")
	p.load()
	sink := newMemorySink()
	options := p.options(sink)
	options.ReportHost, options.ReportPort = "proxy.example", 3399
	options.HeartbeatPeriod = 200 * time.Millisecond
	r := run(t, options)
	r.untilHeld(sink, p.files()...)

	t.Run("is listed", func(t *testing.T) {
		var id, host, port, source, uuid string
		if err := p.DB().QueryRowContext(t.Context(), "SHOW REPLICAS").Scan(&id, &host, &port, &source, &uuid); err != nil {
			t.Fatal(err)
		}
		if id != fmt.Sprint(testServerID) || host != "proxy.example" || port != "3399" || uuid != testUUID {
			t.Errorf("SHOW REPLICAS: %s %s %s %s %s", id, host, port, source, uuid)
		}
	})
	t.Run("names itself", func(t *testing.T) {
		var program, role string
		err := p.DB().QueryRowContext(t.Context(), `SELECT MAX(IF(ATTR_NAME = 'program_name', ATTR_VALUE, '')), MAX(IF(ATTR_NAME = '_client_role', ATTR_VALUE, ''))
			FROM performance_schema.session_connect_attrs WHERE PROCESSLIST_ID = ?`, r.Status().ConnectionID).Scan(&program, &role)
		if err != nil || program != "binlogproxy" || role != "binary_log_listener" {
			t.Errorf("attributes %q, %q, %v", program, role, err)
		}
	})
	t.Run("heartbeats", func(t *testing.T) {
		before := r.Status()
		eventually(t, "heartbeats", func() bool { return r.Status().Heartbeats >= before.Heartbeats+5 })
		if s := r.Status(); s.Connects != before.Connects || s.LagBytes != 0 {
			t.Errorf("status %+v", s)
		}
	})
	t.Run("large events", func(t *testing.T) {
		p.exec("INSERT INTO d.t (a) VALUES (REPEAT('y', 17000000))", "INSERT INTO d.t (a) VALUES (REPEAT('z', 36000000))")
		r.untilHeld(sink, p.files()...)
	})
	t.Run("checksum switched", func(t *testing.T) {
		p.exec("SET GLOBAL binlog_checksum = NONE", "INSERT INTO d.t (a) VALUES ('none')",
			"SET GLOBAL binlog_checksum = CRC32", "INSERT INTO d.t (a) VALUES ('crc')")
		r.untilHeld(sink, p.files()...)
	})
	t.Run("connection killed", func(t *testing.T) {
		p.exec(fmt.Sprintf("KILL %d", r.Status().ConnectionID), "INSERT INTO d.t (a) VALUES ('killed')")
		r.untilHeld(sink, p.files()...)
	})
	t.Run("source killed", func(t *testing.T) {
		if err := p.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.load()
		r.untilHeld(sink, p.files()...)
	})
	t.Run("source restarted", func(t *testing.T) {
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.load()
		r.untilHeld(sink, p.files()...)
	})
	r.stop()
	t.Run("resumes beyond the plain command", func(t *testing.T) {
		sink.margin = 300
		p.exec("INSERT INTO d.t (a) VALUES ('more')", "INSERT INTO d.t (a) VALUES ('and more')")
		again, err := New(p.options(sink))
		if err != nil {
			t.Fatal(err)
		}
		again.plainDumpEnd = 4
		r := launch(t, again)
		r.untilHeld(sink, p.files()...)
	})
	if t.Failed() {
		t.Logf("%+v", r.Status())
	}
	checkNoGap(t, sink)
}

func checkNoGap(t testing.TB, sink *memorySink) {
	t.Helper()
	if len(sink.gaps) != 0 {
		t.Errorf("gaps: %+v", sink.gaps)
	}
}

func testRefusals(t *testing.T, p *primary) {
	p.exec("CREATE USER neither IDENTIFIED BY 'x'", "CREATE USER client IDENTIFIED BY 'x'", "GRANT REPLICATION CLIENT ON *.* TO client",
		"CREATE USER slave IDENTIFIED BY 'x'", "GRANT REPLICATION SLAVE ON *.* TO slave", "CREATE USER locked IDENTIFIED BY 'x' ACCOUNT LOCK")
	for _, c := range []struct{ user, password, text string }{
		{"neither", "x", "GRANT REPLICATION SLAVE"},
		{"client", "x", "GRANT REPLICATION SLAVE"},
		{"slave", "x", "GRANT REPLICATION CLIENT"},
		{"locked", "x", "3118"},
		{"follower", "not the password", "1045"},
	} {
		options := p.options(newMemorySink())
		options.Source.User, options.Source.Password = c.user, dial.Secret(c.password)
		err := run(t, options).stopped()
		if !isStop(err, StopAccess) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "not the password") {
			t.Errorf("%s: it ended with %v", c.user, err)
		}
	}

	t.Run("an id in use", func(t *testing.T) {
		sink := newMemorySink()
		first := run(t, p.options(sink))
		first.untilHeld(sink, p.files()...)
		options := p.options(newMemorySink())
		options.ServerUUID = "bbbbbbbb-1111-2222-3333-444444444444"
		if err := run(t, options).stopped(); !isStop(err, StopConfiguration) || !strings.Contains(err.Error(), testUUID) {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Run("an id that our predecessor still has", func(t *testing.T) {
		before, now := newMemorySink(), newMemorySink()
		options := p.options(before)
		options.ServerID, options.ServerUUID = 4712, "bbbbbbbb-1111-2222-3333-444444444444"
		run(t, options).untilHeld(before, p.files()...)
		options.Sink, options.ServerUUID, options.Predecessor = now, testUUID, options.ServerUUID
		run(t, options).untilHeld(now, p.files()...)
	})
	t.Run("a duplicate of us", func(t *testing.T) {
		sink, other := newMemorySink(), newMemorySink()
		options := p.options(sink)
		options.BackoffMax = time.Hour
		first := run(t, options)
		first.untilHeld(sink, p.files()...)
		second := run(t, p.options(other))
		second.untilHeld(other, p.files()...)
		eventually(t, "the first to give way", func() bool {
			s := first.Status()
			return s.State == StateWaiting && strings.Contains(s.LastError, "same server_uuid")
		})
		if wait := time.Until(first.Status().NextAttempt); wait < 20*time.Minute {
			t.Errorf("it tries again in %s", wait)
		}
	})
	t.Run("server id 0", func(t *testing.T) {
		p.exec("SET GLOBAL server_id = 0")
		defer p.exec(fmt.Sprintf("SET GLOBAL server_id = %d", p.ServerID()))
		if err := run(t, p.options(newMemorySink())).stopped(); !isStop(err, StopConfiguration) {
			t.Errorf("it ended with %v", err)
		}
	})
}

func TestAPrimaryWithoutBinlogStops(t *testing.T) {
	p := startPrimary(t, "--skip-log-bin")
	if err := run(t, p.options(newMemorySink())).stopped(); !isStop(err, StopConfiguration) || !strings.Contains(err.Error(), "--log-bin") {
		t.Errorf("it ended with %v", err)
	}
}

func testPurged(t *testing.T, p *primary) {
	p.load()
	sink := newMemorySink()
	r := run(t, p.options(sink))
	before := p.files()
	r.untilHeld(sink, before...)
	r.stop()
	p.load()
	p.load()
	kept := p.files()[len(before)+1:]
	p.exec("PURGE BINARY LOGS TO '" + kept[0].Name + "'")

	again := run(t, p.options(sink))
	last := p.files()[len(p.files())-1]
	again.until(sink, "the last file", func() bool { return len(sink.file(last.Name)) == len(last.Bytes) })
	again.stop()
	if len(sink.gaps) != 1 || sink.gaps[0].next != kept[0].Name || sink.gaps[0].previous.IsEmpty() {
		t.Errorf("gaps: %+v", sink.gaps)
	}
	checkHeld(t, sink, append(before, p.files()...)...)
}

func testReset(t *testing.T, p *primary) {
	p.exec("INSERT INTO d.t (a) VALUES (REPEAT('a', 700))")
	for _, margin := range []int64{1 << 20, 500} {
		p.exec("RESET BINARY LOGS AND GTIDS", "INSERT INTO d.t (a) VALUES (REPEAT('a', 700))", "INSERT INTO d.t (a) VALUES (REPEAT('b', 700))")
		sink := newMemorySink()
		sink.margin = margin
		r := run(t, p.options(sink))
		held := p.files()
		r.untilHeld(sink, held...)
		r.stop()

		p.exec("RESET BINARY LOGS AND GTIDS", "INSERT INTO d.t (a) VALUES ('c')")
		if err := run(t, p.options(sink)).stopped(); !isStop(err, StopHistory) {
			t.Errorf("shorter, margin %d: it ended with %v", margin, err)
		}
		for range 5 {
			p.exec("INSERT INTO d.t (a) VALUES (REPEAT('d', 431))")
		}
		if err := run(t, p.options(sink)).stopped(); !isStop(err, StopHistory) && !errors.As(err, new(*differentHistory)) {
			t.Errorf("larger, margin %d: it ended with %v", margin, err)
		}
		checkHeld(t, sink, held...)
	}
}

func TestAPrimaryThatRefusesAnonymousTransactionsIsFollowedBehindThem(t *testing.T) {
	p := startPrimary(t, "--gtid-mode=OFF_PERMISSIVE")
	p.exec("INSERT INTO d.t (a) VALUES ('anonymous')", "FLUSH BINARY LOGS")
	p.exec("SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = ON", "INSERT INTO d.t (a) VALUES ('with GTID')")
	sink := newMemorySink()
	r := run(t, p.options(sink))
	last := p.files()[len(p.files())-1]
	r.until(sink, "the last file", func() bool { return len(sink.file(last.Name)) == len(last.Bytes) })
	if r.stop(); len(sink.gaps) == 0 {
		t.Error("no gap is recorded")
	}
}

// Wherever the connection breaks, in either direction, from the first packet of
// the login to the stream, the next one makes it good.
func testCutAtEveryPacket(t *testing.T, p *primary) {
	p.load()
	files := p.files()
	proxy, err := faultproxy.Start(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	// Before the stream the server sends about 60 packets, and we send about 15.
	for d, packets := range map[faultproxy.Direction]int{faultproxy.ToServer: 16, faultproxy.ToClient: 75} {
		for n := 1; n <= packets; n++ {
			proxy.Set(d, faultproxy.Faults{CutAtPacket: n, Once: true, Reset: n%2 == 0})
			followThrough(t, p, proxy, files)
			proxy.Heal()
		}
	}
	if proxy.Cuts() < 80 {
		t.Errorf("only %d cuts", proxy.Cuts())
	}
	for n := int64(1); n < 3_000_000; n += n/2 + 211 {
		proxy.Set(faultproxy.ToClient, faultproxy.Faults{CutAfter: n, Once: true})
		followThrough(t, p, proxy, files)
	}
	for n := int64(1); n < 1500; n += 97 {
		proxy.Set(faultproxy.ToServer, faultproxy.Faults{CutAfter: n, Once: true})
		followThrough(t, p, proxy, files)
		proxy.Heal()
	}
}

func followThrough(t *testing.T, p *primary, proxy *faultproxy.Proxy, files []fakesource.File) {
	t.Helper()
	sink := newMemorySink()
	options := p.options(sink)
	options.Source.Addr = proxy.Addr()
	r := run(t, options)
	r.untilHeld(sink, files...)
	r.stop()
	checkNoGap(t, sink)
}

// A source that is there but does not answer is given up, at every stage.
func testStalls(t *testing.T, p *primary) {
	files := p.files()
	proxy, err := faultproxy.Start(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	sink := newMemorySink()
	options := p.options(sink)
	options.Source.Addr = proxy.Addr()
	options.Source.ConnectTimeout = 100 * time.Millisecond
	options.HeartbeatPeriod = 100 * time.Millisecond
	proxy.Set(faultproxy.ToClient, faultproxy.Faults{Stall: true})
	r := run(t, options)
	eventually(t, "a login that is given up", func() bool { return r.Status().Disconnects[ReasonUnreachable] > 0 })
	proxy.Heal()
	r.untilHeld(sink, files...)
	proxy.Set(faultproxy.ToClient, faultproxy.Faults{Stall: true})
	eventually(t, "a stream that is given up", func() bool { return r.Status().Disconnects[ReasonSilence] > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if _, err := p.DB().ExecContext(ctx, "INSERT INTO d.t (a) VALUES ('later')"); err != nil {
		t.Fatal(err)
	}
	proxy.Heal()
	r.untilHeld(sink, p.files()...)
}
