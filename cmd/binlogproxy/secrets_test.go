package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/certs"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// canaries are secrets that may be in no output, in whatever coding.
type canaries map[string]string // by what they are

func (c canaries) plant(what string) string {
	c[what] = "canary-" + strings.ReplaceAll(what, " ", "-") + "-8Jq2"
	return c[what]
}

// search fails where a canary, or what can be made of it alone, is in a text.
func (c canaries) search(t *testing.T, where string, text []byte) {
	t.Helper()
	for what, secret := range c {
		once, sha2 := sha1.Sum([]byte(secret)), sha256.Sum256([]byte(secret))
		native, caching := sha1.Sum(once[:]), sha256.Sum256(sha2[:])
		forms := [][]byte{[]byte(secret), once[:], native[:], sha2[:], caching[:]}
		for _, form := range forms[:5] {
			forms = append(forms, []byte(hex.EncodeToString(form)), []byte(base64.RawStdEncoding.EncodeToString(form)))
		}
		for _, form := range forms {
			if bytes.Contains(text, form) {
				t.Errorf("%s has the %s, as %q", where, what, form)
			}
		}
	}
}

// safeBuffer keeps all that a process writes.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.b.Bytes())
}

func TestNoSecretIsInAnyOutput(t *testing.T) {
	planted := canaries{}
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	atSource := planted.plant("source password")
	execute(t, primary, "CREATE USER proxy@'%' IDENTIFIED BY '"+atSource+"'", "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO proxy@'%'")
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := certs.New(t, "authority").Issue("server", "127.0.0.1")
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	planted["TLS key"] = strings.Split(string(private), "\n")[1]
	t.Setenv("TEST_DOWNSTREAM", planted.plant("downstream password"))
	t.Setenv(passwordVariable, planted.plant("variable that is not used"))
	port, release, err := testenv.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	listen := fmt.Sprint("127.0.0.1:", port)
	file := write("c.yaml", fmt.Sprintf(`
log: {level: debug}
sources:
  - {name: main, address: "%s", user: proxy, password-file: %s, server-id: 903, listen: "%s", listen-tls: {mode: optional, cert-file: %s, key-file: %s},
     accounts: [{user: a, password-env: TEST_DOWNSTREAM}, {user: b, password-file: %s}]}
`, primary.Addr(), write("source", atSource+"\n"), listen, cert, key, write("b", planted.plant("other account's password"))))
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	var log safeBuffer
	d, err := child.New(child.Options{Binary: path, DataDir: filepath.Join(dir, "data"), ConfigFile: file, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	restart(t, d)
	load(t, primary, 20, workload.Options{})

	useDownstream(t, listen, planted)
	for _, path := range []string{"/metrics", "/status", "/readyz", "/livez", "/nothing"} {
		response, err := http.Get("http://" + d.HTTP() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		planted.search(t, path, body)
	}
	_, out, errs := command("status", "--http="+d.HTTP())
	planted.search(t, "status", []byte(out+errs))
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", d.PID()))
	if err != nil {
		t.Fatal(err)
	}
	planted.search(t, "the command line", arguments)

	execute(t, primary, "ALTER USER proxy@'%' IDENTIFIED BY 'another'") // the next login is refused
	if code, err := d.Stop(); code != exitOK || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	exitsWith(t, d, exitUnreachable, "Access denied")
	for _, word := range []string{"level=DEBUG", "login refused", "logged in", "broken off"} {
		if !bytes.Contains(log.Bytes(), []byte(word)) {
			t.Errorf("the log has no %q: what was to be provoked was not", word)
		}
	}
	planted.search(t, "the log", log.Bytes())
	searchFiles(t, filepath.Join(dir, "data"), planted)

	write("c.yaml", "sources: [{address: db, password: "+planted.plant("password as a value")+"}]\n")
	code, out, errs := command("run", "--config="+file)
	if code != exitUsage {
		t.Errorf("a password in the configuration: exit code %d", code)
	}
	planted.search(t, "the error for a mistaken configuration", []byte(out+errs))
}

// useDownstream does what may make a server talk: right and wrong logins, a password in
// a registration, statements that are refused, and all lists.
func useDownstream(t *testing.T, listen string, planted canaries) {
	t.Helper()
	for _, over := range []*tls.Config{nil, {InsecureSkipVerify: true}} {
		for _, password := range []string{planted["downstream password"], planted.plant("guess"), planted["source password"]} {
			c := mysql.NewConfig()
			c.Net, c.Addr, c.User, c.Passwd, c.TLS, c.Logger = "tcp", listen, "a", password, over, &mysql.NopLogger{}
			connector, err := mysql.NewConnector(c)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(connector)
			db.SetMaxOpenConns(1)
			if password == planted["downstream password"] {
				askAll(t, db, planted)
			} else if err := db.PingContext(t.Context()); err == nil {
				t.Error("logged in with a guess")
			} else {
				planted.search(t, "a refusal", []byte(err.Error()))
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	nc, err := net.Dial("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	conn := wire.NewConn(nc)
	payload, err := conn.ReadPacket(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	greeting, err := wire.DecodeGreeting(payload)
	if err != nil {
		t.Fatal(err)
	}
	password := planted["downstream password"]
	response := wire.HandshakeResponse{Capabilities: wire.CapProtocol41 | wire.CapSecureConnection | wire.CapPluginAuth | wire.CapConnectAttrs, User: "a",
		Plugin: wire.CachingSHA2Password, AuthData: wire.CachingSHA2Response([]byte(password), greeting.Nonce),
		Attributes: wire.Attributes(nil).With("secret", planted.plant("connection attribute"))}
	register := wire.RegisterReplica{ServerID: 77, Host: "replica", User: "a", Port: 3306}
	report := planted.plant("report password")
	registration := register.Append(nil)
	at := len(registration) - 11 // the length of the password, which Append leaves empty
	registration = slices.Concat(registration[:at], []byte{byte(len(report))}, []byte(report), registration[at+1:])
	for _, step := range []struct {
		send    []byte
		answers int
	}{{response.Append(nil), 2}, {registration, 1}, {[]byte{0x11, 'x', 0}, 1}} { // COM_CHANGE_USER is refused
		if step.answers == 1 {
			conn.ResetSequence()
		}
		if err := errors.Join(conn.WritePacket(step.send), conn.Flush()); err != nil {
			t.Fatal(err)
		}
		for range step.answers {
			payload, err := conn.ReadPacket(1 << 16)
			if err != nil {
				t.Fatal(err)
			}
			if step.send[0] == registration[0] && wire.IsError(payload) {
				t.Errorf("the registration was refused: %q", payload)
			}
			planted.search(t, "an answer", payload)
		}
	}
	askAll(t, downstream(t, listen, "a", password), planted) // while that replica is in the list
	hangUpBehindAGuess(t, listen, planted)
}

func hangUpBehindAGuess(t *testing.T, listen string, planted canaries) {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd, c.Logger = "tcp", listen, "b", planted["guess"], &mysql.NopLogger{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var dialer net.Dialer
		nc, err := dialer.DialContext(ctx, network, addr)
		return &halfDeaf{Conn: nc}, err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	if err := db.PingContext(ctx); err == nil {
		t.Error("logged in with a guess")
	}
}

// halfDeaf closes when it would have to send its second packet.
type halfDeaf struct {
	net.Conn
	writes int
}

func (h *halfDeaf) Write(p []byte) (int, error) {
	if h.writes++; h.writes > 1 {
		return 0, errors.Join(net.ErrClosed, h.Conn.Close())
	}
	return h.Conn.Write(p)
}

// askAll reads every list, and sends statements with a secret in them.
func askAll(t *testing.T, db *sql.DB, planted canaries) {
	t.Helper()
	secret := planted["guess"]
	for _, statement := range []string{
		"SHOW VARIABLES", "SHOW STATUS", "SHOW FULL PROCESSLIST", "SHOW REPLICAS", "SHOW BINARY LOGS", "SHOW BINARY LOG STATUS", "SHOW WARNINGS",
		"CREATE USER x IDENTIFIED BY '" + secret + "'", "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = '" + secret + "'", "SET @secret = '" + secret + "'",
	} {
		rows, err := db.QueryContext(t.Context(), statement)
		if err != nil {
			planted.search(t, "the error for a statement", []byte(err.Error()))
			continue
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		values, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(targets...); err != nil {
				t.Fatal(err)
			}
			planted.search(t, statement, bytes.Join(values2bytes(values), []byte{0}))
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func values2bytes(values []sql.RawBytes) [][]byte {
	all := make([][]byte, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}

// searchFiles looks into every file of the data directory. The verifiers that
// accounts.json is for may be in it, and nothing plain.
func searchFiles(t *testing.T, dir string, planted canaries) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if entry.Name() != "accounts.json" {
			planted.search(t, path, content)
			return nil
		}
		for what, secret := range planted {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s has the %s", path, what)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
