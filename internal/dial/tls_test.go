package dial_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/certs"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
)

// wiretap is a dialer that keeps what we send, and whose connections seem to lead
// to another machine.
type wiretap struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (w *wiretap) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &tapped{Conn: conn, tap: w}, nil
}

func (w *wiretap) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.sent.Bytes())
}

type tapped struct {
	net.Conn
	tap *wiretap
}

func (c *tapped) Write(b []byte) (int, error) {
	c.tap.mu.Lock()
	c.tap.sent.Write(b)
	c.tap.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tapped) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 3306}
}

func isUntrusted(err error) bool { return errors.As(err, new(*dial.UntrustedError)) }

const tlsPassword = "a long password"

// startTLS starts a server with accounts that have never logged in: caching_sha2_password
// knows no proof of theirs and asks for the password.
func startTLS(t *testing.T) (*testenv.MySQL, dial.Options) {
	t.Helper()
	m := testenv.NewMySQL(t, testenv.MySQLOptions{})
	for _, statement := range []string{
		"CREATE USER anyhow IDENTIFIED BY '" + tlsPassword + "'",
		"CREATE USER secured IDENTIFIED BY '" + tlsPassword + "' REQUIRE SSL",
		"CREATE USER certified IDENTIFIED BY '" + tlsPassword + "' REQUIRE X509",
	} {
		if _, err := m.DB().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return m, dial.Options{Addr: m.Addr(), User: "anyhow", Password: tlsPassword, ConnectTimeout: time.Minute}
}

// cipher is what the server says of a connection's encryption; "" without.
func cipher(t *testing.T, o dial.Options) (string, error) {
	t.Helper()
	conn, err := dial.Open(t.Context(), o)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	result, err := conn.Query(t.Context(), "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	if err != nil {
		return "", err
	}
	return result.Rows[0][1], nil
}

func TestEverySSLModeAgainstAPrimary(t *testing.T) {
	m, o := startTLS(t)
	ownCA := filepath.Join(t.TempDir(), "ca.pem") // of the authority that the server has made
	var b bytes.Buffer
	if err := m.ReadFile(t.Context(), testenv.AuthorityPath, &b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ownCA, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	other := certs.New(t, "another authority")
	t.Run("with the certificate that mysqld has made", func(t *testing.T) {
		for _, c := range []struct {
			tls       dial.TLS
			encrypted bool
			untrusted string // in the error; "" = it works
		}{
			{dial.TLS{}, false, ""},
			{dial.TLS{Mode: dial.SSLDisabled}, false, ""},
			{dial.TLS{Mode: dial.SSLPreferred}, true, ""},
			{dial.TLS{Mode: dial.SSLRequired}, true, ""},
			{dial.TLS{Mode: dial.SSLVerifyCA, CA: ownCA}, true, ""},
			{dial.TLS{Mode: dial.SSLVerifyCA, CA: other.CA}, false, other.CA},
			{dial.TLS{Mode: dial.SSLVerifyCA}, false, "authorities of the system"},
			{dial.TLS{Mode: dial.SSLVerifyIdentity, CA: ownCA}, false, "for no host, common name \"MySQL_Server"},
		} {
			o.TLS = c.tls
			got, err := cipher(t, o)
			if (got != "") != c.encrypted || isUntrusted(err) != (c.untrusted != "") || (err == nil) != (c.untrusted == "") {
				t.Errorf("%+v: %q, %v", c.tls, got, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.untrusted) {
				t.Errorf("%+v: %v does not name %q", c.tls, err, c.untrusted)
			}
		}
	})

	authority := certs.New(t, "our authority")
	cert, key := authority.Issue("primary", "primary.example", "127.0.0.2")
	if err := m.UseCertificate(t.Context(), authority.CA, cert, key); err != nil {
		t.Fatal(err)
	}
	t.Run("with a certificate of ours", func(t *testing.T) {
		o.TLS = dial.TLS{Mode: dial.SSLVerifyIdentity, CA: authority.CA}
		if _, err := cipher(t, o); !isUntrusted(err) || !strings.Contains(err.Error(), `"primary.example" "127.0.0.2"`) || !strings.Contains(err.Error(), `"127.0.0.1"`) {
			t.Errorf("another name: %v", err)
		}
		o.TLS.ServerName = "primary.example"
		if got, err := cipher(t, o); got == "" {
			t.Errorf("its name: %v", err)
		}
		o.TLS.CA = ownCA
		if _, err := cipher(t, o); !isUntrusted(err) {
			t.Errorf("another authority: %v", err)
		}
	})
	t.Run("an authority that is replaced in its file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "ca.pem")
		o.TLS = dial.TLS{Mode: dial.SSLVerifyCA, CA: file}
		for _, now := range []*certs.Authority{other, authority} {
			pem, err := os.ReadFile(now.CA)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, pem, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := cipher(t, o); isUntrusted(err) != (now == other) || (err == nil) != (now == authority) {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("accounts that want TLS", func(t *testing.T) {
		for _, user := range []string{"secured", "certified"} {
			o.User, o.TLS = user, dial.TLS{}
			if _, err := cipher(t, o); !errors.As(err, new(*dial.DeniedError)) {
				t.Errorf("%s without TLS: %v", user, err)
			}
		}
		o.User, o.TLS = "secured", dial.TLS{Mode: dial.SSLVerifyCA, CA: authority.CA}
		if got, err := cipher(t, o); got == "" {
			t.Errorf("with TLS: %v", err)
		}
		o.User = "certified"
		if _, err := cipher(t, o); !errors.As(err, new(*dial.DeniedError)) {
			t.Errorf("without our certificate: %v", err)
		}
		o.TLS.Cert, o.TLS.Key = authority.Issue("us")
		if got, err := cipher(t, o); got == "" {
			t.Errorf("with our certificate: %v", err)
		}
		o.TLS.Cert, o.TLS.Key = other.Issue("somebody")
		_, err := cipher(t, o)
		for range 100 { // the server's alert may be lost to the reset that follows it
			if err == nil || isUntrusted(err) {
				break
			}
			_, err = cipher(t, o)
		}
		if !isUntrusted(err) || !strings.Contains(err.Error(), o.TLS.Cert) {
			t.Errorf("with a certificate of another authority: %v", err)
		}
	})
	t.Run("takes over a connection with TLS", func(t *testing.T) {
		o.User, o.TLS = "anyhow", dial.TLS{Mode: dial.SSLVerifyCA, CA: authority.CA}
		below, err := open(t, o).Takeover()
		if err != nil {
			t.Fatal(err)
		}
		defer below.Close()
		w := wire.NewConn(below)
		if err := errors.Join(w.WritePacket([]byte{byte(wire.ComPing)}), w.Flush()); err != nil {
			t.Fatal(err)
		}
		if answer, err := w.ReadPacket(1000); err != nil || answer[0] != 0 {
			t.Errorf("%x, %v", answer, err)
		}
	})
}

// Who stands in between hides that the server has TLS, and hopes for the password.
func TestAStrippedConnectionGetsNothing(t *testing.T) {
	m, o := startTLS(t)
	proxy, err := faultproxy.Start(m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	proxy.Set(faultproxy.ToClient, faultproxy.Faults{StripTLS: true})
	o.Addr = proxy.Addr()
	for _, mode := range []dial.SSLMode{dial.SSLRequired, dial.SSLVerifyCA, dial.SSLVerifyIdentity} {
		tap := new(wiretap)
		o.Dial, o.TLS = tap.dial, dial.TLS{Mode: mode}
		if _, err := dial.Open(t.Context(), o); !isUntrusted(err) {
			t.Errorf("%s: %v", mode, err)
		}
		if sent := tap.bytes(); len(sent) != 0 {
			t.Errorf("%s: %d bytes were sent: %q", mode, len(sent), sent)
		}
	}
	// Weaker modes log in, if a proof is enough, and the server has none to compare with.
	for _, mode := range []dial.SSLMode{dial.SSLDisabled, dial.SSLPreferred} {
		tap := new(wiretap)
		o.Dial, o.TLS = tap.dial, dial.TLS{Mode: mode}
		if _, err := dial.Open(t.Context(), o); !isUntrusted(err) || !strings.Contains(err.Error(), "RSA key") {
			t.Errorf("%s: %v", mode, err)
		}
		if sent := tap.bytes(); len(sent) == 0 || bytes.Contains(sent, []byte(tlsPassword)) || bytes.HasSuffix(sent, []byte{1, 0, 0, 3, 2}) {
			t.Errorf("%s: sent %q", mode, sent)
		}
	}
	// To loopback itself the key may be asked for; then the server has a proof.
	o.Dial, o.TLS = nil, dial.TLS{}
	open(t, o)
	o.Dial = new(wiretap).dial
	open(t, o)
}

// go-mysql obeys all of these.
func TestNoSecretForAServerThatAsks(t *testing.T) {
	greeting := wire.Greeting{ServerVersion: "9.7.4", ConnectionID: 1, Capabilities: wire.LoginCapabilities, Plugin: wire.CachingSHA2Password}
	withTLS := greeting
	withTLS.Capabilities |= wire.CapSSL
	rsa := greeting
	rsa.Plugin = "sha256_password"
	nonce := "\x0012345678901234567890\x00"
	switchTo := func(seq uint8, plugin string) []byte { return packet(seq, []byte("\xfe"+plugin+nonce)) }
	for name, c := range map[string]struct {
		greeting wire.Greeting
		answer   []byte
		mode     dial.SSLMode
	}{
		"the password":                    {greeting, switchTo(2, "mysql_clear_password"), dial.SSLDisabled},
		"the password, on second thought": {greeting, append(switchTo(2, "mysql_native_password"), switchTo(4, "mysql_clear_password")...), dial.SSLDisabled},
		"full authentication":             {greeting, packet(2, []byte{1, 4}), dial.SSLDisabled},
		"the old way":                     {greeting, packet(2, []byte{0xfe}), dial.SSLDisabled},
		"by sha256":                       {greeting, switchTo(2, "sha256_password"), dial.SSLPreferred},
		"by sha256 from the start":        {rsa, packet(2, []byte("\x01-----BEGIN PUBLIC KEY-----")), dial.SSLPreferred},
		"behind the request for TLS":      {withTLS, switchTo(2, "mysql_clear_password"), dial.SSLPreferred},
		"and says OK to it":               {withTLS, packet(2, []byte{0, 0, 0, 2, 0, 0, 0}), dial.SSLRequired},
	} {
		tap := new(wiretap)
		o := greet(t, append(packet(0, c.greeting.Append(nil)), c.answer...))
		o.User, o.Dial, o.TLS = "some user of ours", tap.dial, dial.TLS{Mode: c.mode}
		if _, err := dial.Open(t.Context(), o); err == nil {
			t.Errorf("%s: logged in", name)
		}
		if bytes.Contains(tap.bytes(), []byte(o.Password.Reveal())) {
			t.Errorf("%s: sent %q", name, tap.bytes())
		}
		if c.greeting.Capabilities.Has(wire.CapSSL) && bytes.Contains(tap.bytes(), []byte(o.User)) {
			t.Errorf("%s: a login went out without TLS: %q", name, tap.bytes())
		}
	}
}

// A server may answer any statement with the request for a file of ours.
func TestARequestForAFileEndsTheConnection(t *testing.T) {
	greeting := wire.Greeting{ServerVersion: "9.7.4", ConnectionID: 1, Capabilities: wire.LoginCapabilities, Plugin: wire.CachingSHA2Password}
	var ok wire.OK
	stream := append(packet(0, greeting.Append(nil)), packet(2, ok.Append(nil, wire.LoginCapabilities))...)
	o := greet(t, append(stream, packet(1, []byte("\xfb/etc/passwd"))...))
	tap := new(wiretap)
	o.Dial = tap.dial
	conn := open(t, o)
	const statement = "SELECT @@version"
	if _, err := conn.Query(t.Context(), statement); !errors.As(err, new(*dial.UnreachableError)) {
		t.Errorf("%v", err)
	}
	if sent := tap.bytes(); !bytes.HasSuffix(sent, []byte(statement)) {
		t.Errorf("sent behind the statement: %q", sent)
	}
	if _, err := conn.Query(t.Context(), statement); err == nil || !bytes.HasSuffix(tap.bytes(), []byte(statement)) {
		t.Errorf("the connection is still open: %v", err)
	}
}

func TestTLSFilesThatCannotBeUsedAreNamed(t *testing.T) {
	authority := certs.New(t, "authority")
	cert, key := authority.Issue("us")
	_, otherKey := authority.Issue("somebody")
	if err := (dial.TLS{CA: authority.CA, Cert: cert, Key: key}).Check(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		tls  dial.TLS
		name string
	}{
		{dial.TLS{CA: "/no/such/ca.pem"}, "/no/such/ca.pem"},
		{dial.TLS{CA: key}, key},
		{dial.TLS{Cert: cert, Key: otherKey}, otherKey},
		{dial.TLS{Cert: "/no/such/cert.pem", Key: key}, "/no/such/cert.pem"},
	} {
		if err := c.tls.Check(); err == nil || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%+v: %v", c.tls, err)
		}
	}
	_, err := dial.Open(t.Context(), dial.Options{Addr: "127.0.0.1:1", TLS: dial.TLS{Mode: dial.SSLRequired, CA: "/no/such/ca.pem"}})
	if !errors.As(err, new(*dial.UnreachableError)) || !strings.Contains(err.Error(), "/no/such/ca.pem") {
		t.Errorf("%v", err)
	}
}
