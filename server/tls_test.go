package server

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/testenv/certs"
)

// certificates are the files of one authority: for the server and for a client.
type certificates struct {
	ca, cert, key, clientCert, clientKey string
}

func issue(t *testing.T) certificates {
	t.Helper()
	a := certs.New(t, "authority")
	c := certificates{ca: a.CA}
	c.cert, c.key = a.Issue("server", "localhost")
	c.clientCert, c.clientKey = a.Issue("client")
	return c
}

func (c certificates) load(t *testing.T, mode TLSMode) *TLS {
	t.Helper()
	files := TLSFiles{Cert: c.cert, Key: c.key}
	if mode == TLSVerifyClient {
		files.ClientCA = c.ca
	}
	loaded, err := LoadTLS(mode, files)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// client is a configuration that verifies the server by name and authority.
func (c certificates) client(t *testing.T, withCertificate bool) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(c.ca)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	config.RootCAs.AppendCertsFromPEM(pem)
	if withCertificate {
		pair, err := tls.LoadX509KeyPair(c.clientCert, c.clientKey)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

func pingOverTLS(t *testing.T, addr, user, password string, config *tls.Config) error {
	t.Helper()
	db := openPool(t, addr, user, password, func(c *mysql.Config) { c.TLS = config })
	defer db.Close()
	return db.Ping()
}

func TestModesOfTLS(t *testing.T) {
	c, other := issue(t), issue(t)
	foreign := c.client(t, false)
	foreign.Certificates = other.client(t, true).Certificates
	old := c.client(t, false)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	for i, tt := range []struct {
		mode   TLSMode
		client *tls.Config // nil: without TLS
		want   string      // in the error, as far as the driver tells; "" for success
	}{
		{TLSOptional, nil, ""},
		{TLSOptional, c.client(t, false), ""},
		{TLSOptional, other.client(t, false), "certificate"},
		{TLSOptional, old, "protocol version"},
		{TLSRequired, nil, "Error 3159 (HY000): Connections using insecure transport are prohibited while --require_secure_transport=ON."},
		{TLSRequired, c.client(t, false), ""},
		{TLSVerifyClient, nil, "3159"},
		{TLSVerifyClient, c.client(t, false), "connection"}, // in TLS 1.3 it learns why only when it reads
		{TLSVerifyClient, foreign, "connection"},
		{TLSVerifyClient, c.client(t, true), ""},
	} {
		ts := startServer(t, func(o *Options) { o.TLS = c.load(t, tt.mode) })
		err := pingOverTLS(t, ts.addr, testUser, testPassword, tt.client)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, case %d: %v, want %q", tt.mode, i, err, tt.want)
		}
		if tt.want == "" {
			if err := pingOverTLS(t, ts.addr, testUser, "wrong", tt.client); err == nil || !strings.Contains(err.Error(), "1045") {
				t.Errorf("%s, case %d, wrong password: %v", tt.mode, i, err)
			}
		}
	}
}

func TestTLSThatIsNotOfferedIsNotSpoken(t *testing.T) {
	ts := startServer(t, nil)
	err := pingOverTLS(t, ts.addr, testUser, testPassword, issue(t).client(t, false))
	if err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Error(err)
	}
	c := dialRaw(t, ts.addr)
	c.read()
	request := wire.SSLRequest{Capabilities: rawCapabilities}
	c.write(request.Append(nil))
	c.expectError(wire.ERHandshake)
	c.expectEOF()
}

// startTLS reads the greeting and sends an SSLRequest with the raw client.
func (c *rawClient) startTLS(config *tls.Config) wire.Greeting {
	c.t.Helper()
	greeting := c.greeting()
	if !greeting.Capabilities.Has(wire.CapSSL) {
		c.t.Fatalf("%+v", greeting)
	}
	request := wire.SSLRequest{Capabilities: rawCapabilities, Collation: 255}
	c.write(request.Append(nil))
	secured := tls.Client(c.nc, config)
	if err := secured.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	if err := c.conn.Upgrade(secured); err != nil {
		c.t.Fatal(err)
	}
	c.caps = greeting.Capabilities & rawCapabilities
	return greeting
}

func TestFullAuthenticationInsideTLSTakesThePasswordItself(t *testing.T) {
	certificates := issue(t)
	ts := startServer(t, func(o *Options) { o.TLS = certificates.load(t, TLSRequired) })
	for password, wantOK := range map[string]bool{testPassword: true, "wrong": false} {
		c := dialRaw(t, ts.addr)
		c.startTLS(certificates.client(t, false))
		response := wire.HandshakeResponse{Capabilities: rawCapabilities | wire.CapSSL, Collation: 255, User: testUser,
			AuthData: make([]byte, 32), Plugin: wire.CachingSHA2Password}
		c.write(response.Append(nil))
		if more, err := wire.DecodeAuthMoreData(c.read()); err != nil || string(more.Data) != "\x04" {
			t.Fatalf("%+v, %v", more, err)
		}
		c.write(append([]byte(password), 0))
		if !wantOK {
			c.expectError(wire.ERAccessDenied)
			continue
		}
		if _, err := wire.DecodeOK(c.read(), c.caps); err != nil {
			t.Fatal(err)
		}
		if got := c.mustQuery("SHOW STATUS LIKE 'Ssl_version'"); got != "TLSv1.3" {
			t.Errorf("Ssl_version %q", got)
		}
	}
}

// The injection of plain text that other protocols with an upgrade have had: what was
// sent behind the SSLRequest must not be taken for something said inside TLS.
func TestPlainBytesBehindTheSSLRequestBreakTheHandshake(t *testing.T) {
	ts := startServer(t, func(o *Options) { o.TLS = issue(t).load(t, TLSOptional) })
	c := dialRaw(t, ts.addr)
	greeting := c.greeting()
	request := wire.SSLRequest{Capabilities: rawCapabilities}
	response := wire.HandshakeResponse{Capabilities: rawCapabilities, User: testUser, Plugin: wire.CachingSHA2Password,
		AuthData: wire.CachingSHA2Response([]byte(testPassword), greeting.Nonce)}
	for _, p := range [][]byte{request.Append(nil), response.Append(nil)} {
		if err := c.conn.WritePacket(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := c.nc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for {
		p, err := wire.NewConn(c.nc).ReadPacket(1 << 16)
		if err != nil {
			break
		}
		if len(p) > 0 && p[0] == 0 {
			t.Fatalf("logged in: % x", p)
		}
	}
	if err := ts.Close(); err != nil {
		t.Fatal(err)
	}
	if stats := ts.Stats(); stats.AuthFailures["tls"] != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestStatusTellsTLSAsMysqldDoes(t *testing.T) {
	certificates := issue(t)
	ts := startServer(t, func(o *Options) { o.TLS = certificates.load(t, TLSRequired) })
	config := certificates.client(t, false)
	config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	db := openPool(t, ts.addr, testUser, testPassword, func(c *mysql.Config) { c.TLS = config })
	for statement, want := range map[string]string{
		"SHOW STATUS LIKE 'ssl_cipher'":                "ECDHE-ECDSA-AES256-GCM-SHA384",
		"SHOW SESSION STATUS LIKE 'Ssl_version'":       "TLSv1.2",
		"SHOW VARIABLES LIKE 'require_secure_transp%'": "ON",
	} {
		var name, got string
		if err := db.QueryRow(statement).Scan(&name, &got); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", statement, got, err, want)
		}
	}
	if got := connectionVariable(t, ts, "8.0.36"); got != "YES" {
		t.Errorf("have_ssl is %q", got)
	}
	if got := connectionVariable(t, ts, "9.7.4"); got != "" {
		t.Errorf("have_ssl is %q in 9.7", got)
	}
}

// connectionVariable returns @@have_ssl of a source's version, "" where there is none.
func connectionVariable(t *testing.T, ts *testServer, version string) string {
	t.Helper()
	ts.upstream.set(func(id *Identity) { id.Version = version })
	ts.Reload(ts.settings.Load().accounts, issue(t).load(t, TLSOptional))
	a, e := connect(t, ts, 0).query("SHOW VARIABLES LIKE 'have_ssl'")
	if e != nil {
		t.Fatal(e)
	}
	if len(a.rows) == 0 {
		return ""
	}
	return a.rows[0][1]
}

func TestMistakesInTLSFilesAreNamedAllAtOnce(t *testing.T) {
	c, other := issue(t), issue(t)
	rubbish := filepath.Join(t.TempDir(), "rubbish.pem")
	if err := os.WriteFile(rubbish, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mode  TLSMode
		files TLSFiles
		words []string
	}{
		{TLSRequired, TLSFiles{Cert: "/no/such/cert.pem", Key: c.key}, []string{"/no/such/cert.pem", "no such file"}},
		{TLSRequired, TLSFiles{Cert: c.cert, Key: "/no/such/key.pem"}, []string{"/no/such/key.pem", "no such file"}},
		{TLSRequired, TLSFiles{Cert: c.cert, Key: other.key}, []string{c.cert, other.key, "does not match"}},
		{TLSRequired, TLSFiles{Cert: rubbish, Key: c.key}, []string{rubbish, "PEM"}},
		{TLSVerifyClient, TLSFiles{Cert: rubbish, Key: c.key, ClientCA: "/no/such/ca.pem"}, []string{rubbish, "/no/such/ca.pem"}},
		{TLSVerifyClient, TLSFiles{Cert: c.cert, Key: c.key, ClientCA: rubbish}, []string{rubbish, "no certificate"}},
		{TLSOptional, TLSFiles{Cert: c.cert, Key: c.key, ClientCA: c.ca}, []string{c.ca, "does not ask"}},
		{"perhaps", TLSFiles{Cert: c.cert, Key: c.key}, []string{"perhaps"}},
	} {
		_, err := LoadTLS(tt.mode, tt.files)
		for _, word := range tt.words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s, %+v: %v does not say %q", tt.mode, tt.files, err, word)
			}
		}
	}
}
