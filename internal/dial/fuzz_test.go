package dial_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// scripted is a connection to a server on another machine that says what it has to
// say, whatever it hears.
type scripted struct {
	said  *bytes.Reader
	heard bytes.Buffer
}

func (c *scripted) Read(b []byte) (int, error)       { return c.said.Read(b) }
func (c *scripted) Write(b []byte) (int, error)      { return c.heard.Write(b) }
func (c *scripted) Close() error                     { return nil }
func (c *scripted) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *scripted) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }
func (c *scripted) SetDeadline(time.Time) error      { return nil }
func (c *scripted) SetReadDeadline(time.Time) error  { return nil }
func (c *scripted) SetWriteDeadline(time.Time) error { return nil }

// longestProof is the longest answer to a nonce, that of ed25519. What is encrypted
// with an RSA key is four times as long.
const longestProof = 64

// Whatever a server says in a login without TLS, it gets no more than proofs: not
// the password, and nothing that is encrypted with a key of its own.
func FuzzLogin(f *testing.F) {
	greeting := wire.Greeting{ServerVersion: "9.7.4", ConnectionID: 1, Capabilities: wire.LoginCapabilities, Plugin: wire.CachingSHA2Password}
	whole := packet(0, greeting.Append(nil))
	nonce := "\x0012345678901234567890\x00"
	for _, answer := range [][]byte{
		nil,
		packet(2, []byte{0, 0, 0, 2, 0, 0, 0}),
		packet(2, []byte{1, 3}),
		packet(2, []byte{1, 4}),
		packet(2, []byte("\xfemysql_clear_password"+nonce)),
		append(packet(2, []byte("\xfemysql_native_password"+nonce)), packet(4, []byte("\xfesha256_password"+nonce))...),
	} {
		f.Add(append(whole[:len(whole):len(whole)], answer...))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		server := &scripted{said: bytes.NewReader(said)}
		o := dial.Options{Addr: "db:3306", User: "u", Password: "a long password", Dial: func(context.Context, string, string) (net.Conn, error) { return server, nil }}
		if _, err := dial.Open(t.Context(), o); err == nil && len(said) < len(whole)/2 {
			t.Errorf("logged in by %x", said)
		}
		if bytes.Contains(server.heard.Bytes(), []byte(o.Password.Reveal())) {
			t.Fatalf("it heard the password: %q", server.heard.Bytes())
		}
		for i, w := 0, &server.heard; w.Len() > 0; i++ {
			head := w.Next(wire.HeaderLen)
			length := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
			if w.Next(length); i > 0 && length > longestProof {
				t.Fatalf("it heard %d bytes behind our name", length)
			}
		}
	})
}
