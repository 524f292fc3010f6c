package wire

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// mapAccounts are accounts by user name.
type mapAccounts map[string]Account

func (m mapAccounts) Lookup(user string) (Account, bool) {
	a, ok := m[user]
	return a, ok
}

func accountWith(password string, plugins ...string) Account {
	var a Account
	for _, p := range plugins {
		switch p {
		case CachingSHA2Password:
			v := NewCachingSHA2Verifier([]byte(password))
			a.CachingSHA2 = &v
		case NativePassword:
			v := NewNativeVerifier([]byte(password))
			a.Native = &v
		}
	}
	return a
}

var testAccounts = mapAccounts{
	"both":    accountWith("secret", CachingSHA2Password, NativePassword),
	"caching": accountWith("secret", CachingSHA2Password),
	"native":  accountWith("secret", NativePassword),
	"empty":   accountWith("", CachingSHA2Password, NativePassword),
	"locked":  {},
}

const testCapabilities = LoginCapabilities | CapTransactions | CapMultiStatements | CapMultiResults | CapDeprecateEOF | CapLongFlag

func testGreeting(plugin string) Greeting {
	return Greeting{ServerVersion: "8.4.6", ConnectionID: 42, Capabilities: testCapabilities, Collation: CollationUTF8MB40900AI,
		Status: StatusAutocommit, Plugin: plugin}
}

// testServer is a listener whose connections go through ServerLogin and then to
// a function.
type testServer struct {
	addr string

	mu     sync.Mutex
	logins []loginOutcome
	wg     sync.WaitGroup
}

type loginOutcome struct {
	auth *Authenticated
	err  error
	sent []byte // by the server
}

type serverOptions struct {
	network string // "tcp" or "unix"
	plugin  string // of the greeting
	secure  bool
	caps    Capabilities // in place of testCapabilities
	damage  bool         // flips a bit of the auth data in the client's response
	serve   func(*Conn, *Authenticated)
}

func startServer(t *testing.T, o serverOptions) *testServer {
	t.Helper()
	address := "127.0.0.1:0"
	if o.network == "unix" {
		address = filepath.Join(shortTempDir(t), "s")
	}
	listener, err := net.Listen(o.network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{addr: listener.Addr().String()}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.handle(nc, o) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		accepting.Wait()
		s.wg.Wait()
	})
	return s
}

// shortTempDir returns a directory whose name leaves room for a socket's.
func shortTempDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (s *testServer) handle(nc net.Conn, o serverOptions) {
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	tap := &tapConn{Conn: nc, damage: o.damage}
	c := NewConn(tap)
	greeting := testGreeting(o.plugin)
	if o.caps != 0 {
		greeting.Capabilities = o.caps
	}
	login := ServerLogin{Greeting: greeting, Accounts: testAccounts, RSAKey: testKey(), Random: rand.Reader,
		Secure: o.secure, ClientHost: "localhost"}
	auth, err := login.Run(c)
	s.mu.Lock()
	s.logins = append(s.logins, loginOutcome{auth: auth, err: err, sent: bytes.Clone(tap.sent)})
	s.mu.Unlock()
	if err != nil {
		return
	}
	serve := o.serve
	if serve == nil {
		serve = servePings
	}
	serve(c, auth)
}

// last returns the outcome of the latest login, after its connection is gone.
func (s *testServer) last(t *testing.T) loginOutcome {
	t.Helper()
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.logins) == 0 {
		t.Fatal("nobody connected")
	}
	return s.logins[len(s.logins)-1]
}

// serveCommands answers each command with what answer says, until the client is
// done.
func serveCommands(c *Conn, answer func(payload []byte) error) {
	for {
		c.ResetSequence()
		payload, err := c.ReadPacket(1 << 26)
		if err != nil || len(payload) == 0 || Command(payload[0]) == ComQuit {
			return
		}
		if err := errors.Join(answer(payload), c.Flush()); err != nil {
			return
		}
	}
}

func servePings(c *Conn, auth *Authenticated) {
	serveCommands(c, func([]byte) error {
		ok := OK{Status: StatusAutocommit}
		return c.WritePacket(ok.Append(nil, auth.Capabilities))
	})
}

// tapConn keeps what the server sends during login and can damage the auth data
// of the client's response, which forces full authentication on a client that
// knows its password.
type tapConn struct {
	net.Conn
	sent   []byte
	damage bool
	in     bytes.Buffer
}

func (d *tapConn) Write(p []byte) (int, error) {
	if len(d.sent) < 1<<16 {
		d.sent = append(d.sent, p...)
	}
	return d.Conn.Write(p)
}

func (d *tapConn) Read(p []byte) (int, error) {
	if d.damage {
		d.damage = false
		if err := d.readDamaged(); err != nil {
			return 0, err
		}
	}
	if d.in.Len() > 0 {
		return d.in.Read(p)
	}
	return d.Conn.Read(p)
}

func (d *tapConn) readDamaged() error {
	var header [HeaderLen]byte
	if _, err := io.ReadFull(d.Conn, header[:]); err != nil {
		return err
	}
	payload := make([]byte, int(header[0])|int(header[1])<<8)
	if _, err := io.ReadFull(d.Conn, payload); err != nil {
		return err
	}
	h, err := DecodeHandshakeResponse(payload)
	if err != nil {
		return err
	}
	h.AuthData[0] ^= 1 // aliases payload
	d.in.Write(header[:])
	d.in.Write(payload)
	return nil
}
