package server

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

const (
	testUser     = "repl"
	testPassword = "s3cret pässword"
	sourceUUID   = "cce002ff-e66c-11f1-8e29-0242ac110003"
	patience     = 20 * time.Second // for what must happen; not how long anything takes
)

// fakeLog is a log without readers. While files is empty a dump waits for it.
type fakeLog struct {
	files    []archive.File
	executed string
	purged   string
	never    chan struct{}
	asked    chan struct{} // a value for each call of Files, up to its size
}

func (l *fakeLog) State() archive.State {
	if len(l.files) == 0 {
		return archive.State{}
	}
	last := l.files[len(l.files)-1]
	return archive.State{Published: replication.Position{File: last.Name, Offset: last.Size}}
}
func (l *fakeLog) Changed() <-chan struct{} { return l.never }

func (l *fakeLog) Files() []archive.File {
	select {
	case l.asked <- struct{}{}:
	default:
	}
	return l.files
}

func (l *fakeLog) Executed() *replication.GTIDSet { return mustSet(l.executed) }
func (l *fakeLog) Missing() *replication.GTIDSet  { return mustSet("") }
func (l *fakeLog) Purged() *replication.GTIDSet   { return mustSet(l.purged) }

func (l *fakeLog) OpenAt(replication.Position) (*archive.Reader, error) {
	return nil, archive.ErrNoSuchFile
}

func (l *fakeLog) FileForGTIDs(*replication.GTIDSet) (archive.File, error) {
	return archive.File{}, archive.ErrNoSuchFile
}

func mustSet(text string) *replication.GTIDSet {
	set, err := replication.ParseGTIDSet(text)
	if err != nil {
		panic(err)
	}
	return set
}

// fakeUpstream is a source whose identity a test may change.
type fakeUpstream struct {
	mu      sync.Mutex
	id      Identity
	unknown bool
}

func (u *fakeUpstream) Identity() (Identity, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.id, !u.unknown
}

func (u *fakeUpstream) set(change func(*Identity)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.id.Variables = maps.Clone(u.id.Variables)
	change(&u.id)
}

func mysql97() Identity {
	return Identity{Version: "9.7.4", ServerID: 77, ServerUUID: sourceUUID, Variables: map[string]string{
		"gtid_mode": "ON", "enforce_gtid_consistency": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL",
		"version_comment": "MySQL Community Server - GPL", "max_allowed_packet": "67108864", "time_zone": "SYSTEM", "sql_mode": "STRICT_TRANS_TABLES",
		"lower_case_table_names": "0", "system_time_zone": "UTC", "performance_schema": "ON",
	}}
}

type testServer struct {
	*Server
	addr     string
	log      *fakeLog
	upstream *fakeUpstream
}

// startServer runs a server on loopback until the test ends.
func startServer(t *testing.T, change func(*Options)) *testServer {
	t.Helper()
	account, err := NewAccount(testUser, []byte(testPassword), ReplicationSlave)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := NewAccount("reader", []byte("reader's"))
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := NewAccounts(account, reader)
	if err != nil {
		t.Fatal(err)
	}
	ts := &testServer{log: &fakeLog{never: make(chan struct{}), asked: make(chan struct{}, 100)}, upstream: &fakeUpstream{id: mysql97()}}
	opts := Options{Upstream: ts.upstream, Log: ts.log, Accounts: accounts}
	if change != nil {
		change(&opts)
	}
	if ts.Server, err = New(opts); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ts.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- ts.Serve(ln) }()
	t.Cleanup(func() {
		if err := ts.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-served; !errors.Is(err, ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return ts
}

// rawClient speaks packets, for what libraries do not do.
type rawClient struct {
	t    *testing.T
	nc   *net.TCPConn
	conn *wire.Conn
	caps wire.Capabilities
	id   uint32
}

func dialRaw(t *testing.T, addr string) *rawClient {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawClient{t: t, nc: nc.(*net.TCPConn), conn: wire.NewConn(nc)}
}

const rawCapabilities = wire.CapProtocol41 | wire.CapSecureConnection | wire.CapPluginAuth | wire.CapLongFlag | wire.CapTransactions

// connect logs in by the fast path.
func connect(t *testing.T, ts *testServer, extra wire.Capabilities) *rawClient {
	t.Helper()
	return connectAs(t, ts, testUser, testPassword, extra)
}

func connectAs(t *testing.T, ts *testServer, user, password string, extra wire.Capabilities) *rawClient {
	t.Helper()
	c := dialRaw(t, ts.addr)
	c.prove(c.greeting(), user, password, extra)
	c.expectOK()
	return c
}

func (c *rawClient) greeting() wire.Greeting {
	c.t.Helper()
	greeting, err := wire.DecodeGreeting(c.read())
	if err != nil {
		c.t.Fatal(err)
	}
	return greeting
}

// prove answers a greeting, and returns when the server has said that the proof is right.
// What becomes of the login comes next.
func (c *rawClient) prove(greeting wire.Greeting, user, password string, extra wire.Capabilities) {
	c.t.Helper()
	c.id, c.caps = greeting.ConnectionID, greeting.Capabilities&(rawCapabilities|extra)
	response := wire.HandshakeResponse{Capabilities: rawCapabilities | extra, Collation: 255, User: user,
		AuthData: wire.CachingSHA2Response([]byte(password), greeting.Nonce), Plugin: wire.CachingSHA2Password}
	if extra&wire.CapConnectAttrs != 0 { // as the replica thread of a MySQL server
		response.Attributes = response.Attributes.With("program_name", "mysqld")
	}
	c.write(response.Append(nil))
	if more, err := wire.DecodeAuthMoreData(c.read()); err != nil || len(more.Data) != 1 || more.Data[0] != 3 {
		c.t.Fatalf("no fast path: %v, %v", more, err)
	}
}

func (c *rawClient) expectOK() {
	c.t.Helper()
	if _, err := wire.DecodeOK(c.read(), c.caps); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) read() []byte {
	c.t.Helper()
	p, err := c.conn.ReadPacket(1 << 25)
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return append([]byte(nil), p...)
}

func (c *rawClient) write(p []byte) {
	c.t.Helper()
	if err := errors.Join(c.conn.WritePacket(p), c.conn.Flush()); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// command sends a command and returns the first packet of the answer.
func (c *rawClient) command(p ...byte) []byte {
	c.t.Helper()
	c.conn.ResetSequence()
	c.write(p)
	return c.read()
}

// answer is what a statement gave: rows under columns, or nothing for OK.
type answer struct {
	columns []wire.Column
	rows    [][]string // "NULL" for NULL
}

func (c *rawClient) query(text string) (answer, *wire.Error) {
	c.t.Helper()
	first := c.command(append([]byte{byte(wire.ComQuery)}, text...)...)
	if wire.IsError(first) {
		e, err := wire.DecodeError(first)
		if err != nil {
			c.t.Fatal(err)
		}
		return answer{}, e
	}
	if first[0] == 0 {
		return answer{}, nil
	}
	var a answer
	for range int(first[0]) {
		column, err := wire.DecodeColumn(c.read())
		if err != nil {
			c.t.Fatal(err)
		}
		a.columns = append(a.columns, column)
	}
	if !c.caps.Has(wire.CapDeprecateEOF) {
		if p := c.read(); !wire.IsEOF(p) {
			c.t.Fatalf("no EOF after the columns but %x", p)
		}
	}
	for {
		p := c.read()
		if p[0] == 0xfe && len(p) < 9 {
			return a, nil
		}
		row, err := wire.DecodeRow(p, len(a.columns))
		if err != nil {
			c.t.Fatal(err)
		}
		var texts []string
		for _, v := range row {
			if v == nil {
				texts = append(texts, "NULL")
				continue
			}
			texts = append(texts, string(v))
		}
		a.rows = append(a.rows, texts)
	}
}

// mustQuery returns the only value of the only row, "" for OK.
func (c *rawClient) mustQuery(text string) string {
	c.t.Helper()
	a, e := c.query(text)
	switch {
	case e != nil:
		c.t.Fatalf("%s: %v", text, e)
	case len(a.columns) == 0:
		return ""
	case len(a.rows) != 1:
		c.t.Fatalf("%s: %d rows", text, len(a.rows))
	}
	return a.rows[0][len(a.rows[0])-1]
}

// startDump sends a dump command, and returns when its loop waits for the log.
func (c *rawClient) startDump(ts *testServer, serverID uint32, uuid string) {
	c.t.Helper()
	if uuid != "" {
		c.mustQuery("SET @slave_uuid = '" + uuid + "', @replica_uuid = '" + uuid + "'")
	}
	c.mustQuery("SET @source_binlog_checksum = 'NONE'")
	dump := wire.BinlogDump{Position: 4, ServerID: serverID, File: "binlog.000001"}
	c.conn.ResetSequence()
	c.write(dump.Append(nil))
	select {
	case <-ts.log.asked:
	case <-time.After(patience):
		c.t.Fatal("the dump does not begin")
	}
}

// expectError reads an error packet and returns it.
func (c *rawClient) expectError(number uint16) *wire.Error {
	c.t.Helper()
	return c.wantError(c.read(), number)
}

func (c *rawClient) wantError(p []byte, number uint16) *wire.Error {
	c.t.Helper()
	e, err := wire.DecodeError(p)
	if err != nil || e.Number != number {
		c.t.Fatalf("got %v, %v, want error %d", e, err, number)
	}
	return e
}

// expectEOF wants the server's FIN: a reset is an error.
func (c *rawClient) expectEOF() {
	c.t.Helper()
	if n, err := c.nc.Read(make([]byte, 1)); err != io.EOF {
		c.t.Fatalf("read %d bytes, %v, want the end of the stream", n, err)
	}
}

func shutdownContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// fakeConn takes everything and gives nothing.
type fakeConn struct{ net.Conn }

func (fakeConn) Write(p []byte) (int, error)      { return len(p), nil }
func (fakeConn) LocalAddr() net.Addr              { return &net.TCPAddr{Port: 3306} }
func (fakeConn) SetWriteDeadline(time.Time) error { return nil }

// eventually waits for what another goroutine brings about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come about", what)
		}
	}
}
