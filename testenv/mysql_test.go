package testenv_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// testContext ends a little before anyone loses patience.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func exec(t *testing.T, m *testenv.MySQL, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := m.DB().ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestNewServersDifferAndBeginWithAnEmptyHistory(t *testing.T) {
	ctx := testContext(t)
	began := time.Now()
	a := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "a"})
	t.Logf("first server after %v", time.Since(began))
	began = time.Now()
	b := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "b", ServerID: 7, Args: []string{"--log-bin=other"}})
	t.Logf("second server after %v", time.Since(began))

	text := must[string](t)
	if a, b := text(a.ServerUUID(ctx)), text(b.ServerUUID(ctx)); a == b || a == "" {
		t.Errorf("server_uuid %q and %q", a, b)
	}
	if a.ServerID() == b.ServerID() || b.ServerID() != 7 {
		t.Errorf("server_id %d and %d", a.ServerID(), b.ServerID())
	}
	for m, want := range map[*testenv.MySQL]string{a: "binlog.000001", b: "other.000001"} {
		if executed := text(m.GTIDExecuted(ctx)); executed != "" {
			t.Errorf("gtid_executed of a new server is %q", executed)
		}
		if files := must[[]testenv.BinlogFile](t)(m.BinlogFiles(ctx)); len(files) != 1 || files[0].Name != want {
			t.Errorf("binlog files of a new server: %v", files)
		}
		var id uint32
		if err := m.DB().QueryRowContext(ctx, "SELECT @@server_id").Scan(&id); err != nil || id != m.ServerID() {
			t.Errorf("@@server_id = %d, want %d (%v)", id, m.ServerID(), err)
		}
	}
}

func TestKilledServerComesBackWithWhatItCommitted(t *testing.T) {
	ctx := testContext(t)
	m := testenv.NewMySQL(t, testenv.MySQLOptions{})
	exec(t, m, "CREATE DATABASE d", "CREATE TABLE d.t (a INT PRIMARY KEY)", "INSERT INTO d.t VALUES (1), (2)")
	before := must[map[string]string](t)(m.TableChecksums(ctx))
	uuid := must[string](t)(m.ServerUUID(ctx))
	addr := m.Addr()

	if err := m.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.DB().PingContext(ctx); err == nil {
		t.Error("a killed server answers")
	}
	began := time.Now()
	if err := m.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("started again after a kill in %v", time.Since(began))
	after := must[map[string]string](t)(m.TableChecksums(ctx))
	if len(before) != 1 || before["d.t"] == "" || after["d.t"] != before["d.t"] {
		t.Errorf("checksums before %v, after %v", before, after)
	}
	if got := must[string](t)(m.ServerUUID(ctx)); got != uuid || m.Addr() != addr {
		t.Errorf("came back as %s at %s, was %s at %s", got, m.Addr(), uuid, addr)
	}

	began = time.Now()
	if err := m.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %v", time.Since(began))
	if err := m.Start(ctx); err != nil {
		t.Fatal(err)
	}
	// One file per start.
	if files := must[[]testenv.BinlogFile](t)(m.BinlogFiles(ctx)); len(files) != 3 {
		t.Errorf("binlog files after two restarts: %v", files)
	}
}

func TestBinlogCanBeReadOutWhetherTheServerRunsOrNot(t *testing.T) {
	ctx := testContext(t)
	m := testenv.NewMySQL(t, testenv.MySQLOptions{})
	exec(t, m, "CREATE DATABASE d", "CREATE TABLE d.t (a LONGBLOB)",
		"INSERT INTO d.t VALUES (REPEAT('x', 5000000))", "FLUSH BINARY LOGS")
	files := must[[]testenv.BinlogFile](t)(m.BinlogFiles(ctx))
	var running, down bytes.Buffer
	if err := m.ReadBinlog(ctx, files[0].Name, &running); err != nil {
		t.Fatal(err)
	}
	if int64(running.Len()) != files[0].Size || !bytes.HasPrefix(running.Bytes(), []byte("\xfebin")) {
		t.Errorf("read %d bytes of %v", running.Len(), files[0])
	}

	stdout, stderr, exit, err := m.Exec(ctx, "mysqlbinlog", "--verify-binlog-checksum", testenv.BinlogPath(files[0].Name))
	if err != nil || exit != 0 || !strings.Contains(stdout, "CREATE TABLE d.t") {
		t.Errorf("mysqlbinlog: exit %d, %v\n%s", exit, err, stderr)
	}
	if _, stderr, exit, err = m.Exec(ctx, "mysqlbinlog", "/nonexistent"); err != nil || exit == 0 || stderr == "" {
		t.Errorf("mysqlbinlog of no file: exit %d, %v, %q", exit, err, stderr)
	}

	if err := m.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.ReadBinlog(ctx, files[0].Name, &down); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(running.Bytes(), down.Bytes()) {
		t.Error("the file read from the running server differs from the one read when it was down")
	}
}

func TestBinlogBeingWrittenIsReadAsAPrefix(t *testing.T) {
	ctx := testContext(t)
	m := testenv.NewMySQL(t, testenv.MySQLOptions{})
	exec(t, m, "CREATE DATABASE d", "CREATE TABLE d.t (a LONGBLOB)")
	writing, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		for {
			_, err := m.DB().ExecContext(writing, "INSERT INTO d.t VALUES (REPEAT('x', 20000))")
			if err != nil {
				done <- err
				return
			}
		}
	}()
	const name = "binlog.000001"
	var parts [][]byte
	for grown := 0; grown < 5; {
		var part bytes.Buffer
		if err := m.ReadBinlog(ctx, name, &part); err != nil {
			t.Fatal(err)
		}
		if len(parts) == 0 || part.Len() > len(parts[len(parts)-1]) {
			grown++
			parts = append(parts, part.Bytes())
		}
	}
	stop()
	<-done
	var whole bytes.Buffer
	if err := m.ReadBinlog(ctx, name, &whole); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if !bytes.HasPrefix(whole.Bytes(), part) {
			t.Fatalf("the %d bytes read while the file grew are no prefix of the whole", len(part))
		}
	}
}

func TestPausedServerDoesNotAnswerUntilUnpaused(t *testing.T) {
	ctx := testContext(t)
	m := testenv.NewMySQL(t, testenv.MySQLOptions{})
	if err := m.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() { answered <- m.DB().PingContext(ctx) }()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := m.DB().ExecContext(short, "DO 1"); err == nil {
		t.Error("a paused server answers")
	}
	if err := m.Unpause(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("what was asked during the pause is not answered after it: %v", err)
	}
	// Must be possible to remove in this state.
	if err := m.Pause(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestFilesGoInAndOut(t *testing.T) {
	ctx := testContext(t)
	m := testenv.NewMySQL(t, testenv.MySQLOptions{})
	if err := m.WriteFile(ctx, "mysql_test.go", "/tmp/copied"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := m.ReadFile(ctx, "/tmp/copied", &out); err != nil {
		t.Fatal(err)
	}
	stdout, _, exit, err := m.Exec(ctx, "cat", "/tmp/copied")
	if err != nil || exit != 0 || stdout != out.String() || !strings.Contains(stdout, "TestFilesGoInAndOut") {
		t.Errorf("exit %d, %v, %d bytes read by a command, %d by ReadFile", exit, err, len(stdout), out.Len())
	}
	if err := m.ReadFile(ctx, "/tmp/nothing", &out); err == nil {
		t.Error("reading a file that is not there succeeds")
	}
}

func TestServerThatCannotStartIsReportedWithItsLog(t *testing.T) {
	testenv.RequireDocker(t)
	_, err := testenv.StartMySQL(testContext(t), testenv.MySQLOptions{Args: []string{"--no-such-option=1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("error without mysqld's own words: %v", err)
	}
}
