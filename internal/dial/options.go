package dial

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Secret is a password. However it is printed, logged or marshalled, it comes
// out as "[secret]"; only Reveal gives it.
type Secret string

const redacted = "[secret]"

// Reveal returns the password itself.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Options say how a server is reached.
type Options struct {
	// Addr is "host:port", or the path of a Unix socket.
	Addr     string
	User     string
	Password Secret

	// ConnectTimeout limits connecting and login together, and then each
	// statement by itself. 0 means DefaultConnectTimeout.
	ConnectTimeout time.Duration

	// Attributes are the connection attributes that the server shows in
	// performance_schema.session_connect_attrs, beside those of the client
	// library. None by default.
	Attributes map[string]string

	// TLS says how the connection is protected; by default it is not. A secret that
	// is as good as the password is then sent to loopback addresses and Unix sockets
	// only.
	TLS TLS

	// Dial opens the connection. nil means net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// DefaultConnectTimeout is used where Options name none.
const DefaultConnectTimeout = 10 * time.Second

func (o *Options) timeout() time.Duration {
	if o.ConnectTimeout > 0 {
		return o.ConnectTimeout
	}
	return DefaultConnectTimeout
}
