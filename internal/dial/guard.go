package dial

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// guard stands between go-mysql and the server during the login. It reads the
// greeting, which says whether there can be TLS. On a connection that others can
// read it looks at the packets behind it too: go-mysql would obey a server that
// asks for the password itself, or for the password under a key that anyone may
// have made, and who stands in between can be that server.
type guard struct {
	net.Conn
	packet     []byte // what was read ahead and is still to be handed on
	isGreeting bool   // the first packet is one
	offersTLS  bool   // it says so; that is not authentic
	passive    bool   // the rest passes unread
	refused    *error // gets why the server is not answered any more
}

// loginPacket is the most that a packet of a login may take. Keys and error texts
// are far below.
const loginPacket = 64 << 10

// newGuard reads the first packet.
func newGuard(conn net.Conn, refused *error) (*guard, error) {
	g := &guard{Conn: conn, refused: refused}
	payload, err := g.read()
	if err != nil {
		return nil, err
	}
	greeting, err := wire.DecodeGreeting(payload)
	g.isGreeting = err == nil
	g.offersTLS = g.isGreeting && greeting.Capabilities.Has(wire.CapSSL)
	return g, nil
}

// read reads one packet into g.packet and returns its payload.
func (g *guard) read() ([]byte, error) {
	g.packet = make([]byte, wire.HeaderLen)
	if _, err := io.ReadFull(g.Conn, g.packet); err != nil {
		return nil, err
	}
	length := int(g.packet[0]) | int(g.packet[1])<<8 | int(g.packet[2])<<16
	if length > loginPacket {
		return nil, fmt.Errorf("a packet of %d bytes in a login: that is no MySQL server", length)
	}
	g.packet = append(g.packet, make([]byte, length)...)
	_, err := io.ReadFull(g.Conn, g.packet[wire.HeaderLen:])
	return g.packet[wire.HeaderLen:], err
}

func (g *guard) Read(b []byte) (int, error) {
	if len(g.packet) == 0 {
		if g.passive {
			return g.Conn.Read(b)
		}
		payload, err := g.read()
		if err == nil {
			err = g.inspect(payload)
		}
		if err != nil {
			g.packet = nil
			return 0, err
		}
	}
	n := copy(b, g.packet)
	g.packet = g.packet[n:]
	return n, nil
}

// inspect refuses a packet behind the greeting that would make go-mysql send the
// password in a form that is as good as the password itself.
func (g *guard) inspect(payload []byte) error {
	var err error
	switch {
	case len(payload) == 0:
	case wire.IsError(payload), payload[0] == loginOK:
		g.passive = true
	case payload[0] == authSwitch:
		if plugin, _, _ := strings.Cut(string(payload[1:]), "\x00"); !sendsProofOnly[plugin] {
			err = fmt.Errorf("the server asks for the password by %q: it is not sent over a connection without TLS; set ssl-mode", plugin)
		}
	case payload[0] == authMoreData && (len(payload) != 2 || payload[1] != fastAuth):
		err = errors.New("the server asks for the password itself, as caching_sha2_password does when it has not seen the account for a while: it is not sent over a connection without TLS, where nothing proves whose RSA key it would be encrypted with; set ssl-mode")
	}
	*g.refused = err
	return err
}

// First bytes of a server's packets in a login, and what says that the proof sent
// was enough (sql/auth/sha2_password_common.h, fast_auth_success).
const (
	loginOK      = 0x00
	authSwitch   = 0xfe
	authMoreData = 0x01
	fastAuth     = 0x03
)

// sendsProofOnly are the plug-ins of go-mysql's client whose first answer is a
// proof made with the server's nonce.
var sendsProofOnly = map[string]bool{
	wire.NativePassword:      true,
	wire.CachingSHA2Password: true,
	"client_ed25519":         true,
}
