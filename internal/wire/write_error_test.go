package wire

import (
	"crypto/rand"
	"errors"
	"testing"
)

var errInjected = errors.New("injected write error")

// failingWrites makes the nth write of a loginPeer fail, and all after it.
type failingWrites struct {
	*loginPeer
	left int
}

func (f *failingWrites) Write(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, errInjected
	}
	f.left--
	return f.loginPeer.Write(p)
}

// Whichever write of a login fails, nobody is authenticated: the client must have
// been told, or the two sides would disagree.
func TestLoginFailsWithAnyOfItsWrites(t *testing.T) {
	for name, c := range map[string]client{
		"fast":    {user: "both", password: "secret", caps: clientCapabilities},
		"full":    {user: "both", password: "secret", caps: clientCapabilities, damage: true},
		"switch":  {user: "native", password: "secret", caps: clientCapabilities},
		"refused": {user: "both", password: "wrong", caps: clientCapabilities},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				peer := &failingWrites{loginPeer: &loginPeer{answer: c.answer}, left: n}
				login := ServerLogin{Greeting: testGreeting(CachingSHA2Password), Accounts: testAccounts, RSAKey: testKey(), Random: rand.Reader}
				auth, err := login.Run(NewConn(peer))
				if _, refused := errors.AsType[*Error](err); refused || err == nil {
					if (auth != nil) != (name != "refused") {
						t.Fatalf("without a fault: %v, %v", auth, err)
					}
					if n < 3 {
						t.Fatalf("only %d writes", n)
					}
					return
				}
				if auth != nil || !errors.Is(err, errInjected) {
					t.Fatalf("write %d failed: %v, %v", n, auth, err)
				}
			}
		})
	}
}

// failAfter fails once it has taken so many bytes.
type failAfter struct {
	memConn
	left int
}

func (f *failAfter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errInjected
	}
	return len(p), nil
}

func TestResultSetReportsAnyFailedWrite(t *testing.T) {
	rs := testResultSet(false)
	rs.Columns[0].Name = string(make([]byte, 2*writeBuffer))
	for caps := range map[Capabilities]bool{0: true, CapDeprecateEOF: true} {
		for bytes := 0; ; bytes += 100 {
			c := NewConn(&failAfter{left: bytes})
			err := errors.Join(c.WriteResultSet(rs, caps), c.Flush())
			if err == nil {
				if bytes < 1<<16 {
					t.Fatalf("only %d bytes", bytes)
				}
				break
			}
			if !errors.Is(err, errInjected) {
				t.Fatal(err)
			}
		}
	}
}
