package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
)

// LoginLimit is how many bytes a client may send before it is authenticated, in
// all its packets together.
const LoginLimit = 64 << 10

// ServerLogin is the server's side of one login:
//
//	server                                   client
//	Greeting                           →
//	                                   ←     SSLRequest             if the client wants TLS; all that follows is inside
//	                                   ←     HandshakeResponse
//	AuthSwitchRequest                  →                          if the plug-in or the nonce must change
//	                                   ←     auth data
//	[caching_sha2_password, a password that is not empty:]
//	AuthMoreData 03                    →                          fast path: the response verifies
//	AuthMoreData 04                    →                          else full authentication
//	                                   ←     02                   "send the key", without TLS
//	AuthMoreData, PEM                  →
//	                                   ←     RSA block; over TLS the password and a NUL
//	OK, ERR 1045, or what Proved says  →
//
// The client's auth data counts only if it was made for the plug-in of the
// greeting and the account can use that one; in all other cases it is asked
// again, as mysqld does. A client without PLUGIN_AUTH cannot be asked again and
// is taken to mean mysql_native_password.
//
// An unknown user passes through the same steps and gets the same refusal as a
// wrong password. A client that must use TLS and does not is refused before any
// proof is judged (mysqld does so behind it). (sql/auth/sql_authentication.cc, acl_authenticate;
// sql/auth/sha2_password.cc, caching_sha2_password_authenticate.)
type ServerLogin struct {
	Greeting   Greeting // with LoginCapabilities at least; its Nonce, and whether it offers TLS, are settled here
	Accounts   Accounts
	RSAKey     *RSAKey   // nil: full authentication needs a secure connection
	Random     io.Reader // for nonces; crypto/rand.Reader outside tests
	Secure     bool      // nobody can listen (unix socket): passwords may come in the clear
	ClientHost string    // for the text of a refusal

	// StartTLS takes the connection over for TLS when the client asks for that, and
	// returns the one to go on with, which is secure. nil: TLS is not offered.
	StartTLS   func() (net.Conn, error)
	RequireTLS bool // refuse a client that does not ask

	// Proved, if it is not nil, is called once the proof counts and before OK is sent, so that
	// what it enters is in force when the client hears of its login. An error ends the
	// login: an *Error is sent in place of the OK (as mysqld sends 1040 where its connections
	// have run out), with any other the client is told nothing. Without one OK follows, whose
	// sending may fail: then Run returns an error, and the caller takes back what was entered.
	Proved func(*Authenticated) error
}

// TLSError says that a client asked for TLS and the handshake failed.
type TLSError struct{ Err error }

func (e *TLSError) Error() string { return "TLS handshake: " + e.Err.Error() }
func (e *TLSError) Unwrap() error { return e.Err }

// Authenticated is what a login that succeeded has told.
type Authenticated struct {
	User          string
	Database      string       // to be selected now; not checked here
	Capabilities  Capabilities // what both sides have set
	MaxPacketSize uint32
	Collation     uint8
	Attributes    Attributes
	Plugin        string // that was used for the proof
}

var (
	// ErrUnproved is among the errors of a login that broke off when the client's first
	// proof had failed: it knows by then that it was wrong, as if it had been refused.
	ErrUnproved = errors.New("client left when its proof had failed")

	errTLSNotOffered = errors.New("client wants TLS, which was not offered")
	errBadHandshake  = Errorf(ERHandshake, "Bad handshake")
	errTLSRequired   = Errorf(ERSecureTransportRequired, "Connections using insecure transport are prohibited while --require_secure_transport=ON.")
)

// Run performs the login on a new connection. When it returns without an error,
// OK has been sent and commands may follow, each after Conn.ResetSequence.
//
// An *Error has been sent to the client: ERAccessDenied for a refusal,
// ERSecureTransportRequired where TLS was, or that of Proved. With any other error, a
// *TLSError among them, the connection broke, Proved gave that error, or the client did
// not keep to the protocol and was told ERHandshake if it could be. In all cases the
// caller closes the connection. The caller also sets the deadline.
func (l *ServerLogin) Run(c *Conn) (*Authenticated, error) {
	x := loginExchange{ServerLogin: l, conn: c, budget: LoginLimit, secure: l.Secure}
	who, err := x.run()
	if err == nil {
		return who, nil
	}
	if refusal, ok := errors.AsType[*Error](err); ok {
		if err := x.send(refusal.Append(nil)); err != nil {
			return nil, fmt.Errorf("refuse login from %s: %w", l.ClientHost, err)
		}
		return nil, err
	}
	if isProtocolError(err) {
		err = errors.Join(err, x.send(errBadHandshake.Append(nil)))
	}
	return nil, fmt.Errorf("login from %s: %w", l.ClientHost, err)
}

// loginExchange is the state of one login.
type loginExchange struct {
	*ServerLogin
	conn   *Conn
	budget int // bytes that the client may still send
	nonce  Nonce
	secure bool // nobody can listen

	response HandshakeResponse
	account  Account // of response.User, or a decoy
	known    bool    // false: no proof for account counts
	plugin   string  // that the client has to prove itself by
}

// run returns who has logged in, only behind a proof that counts.
func (x *loginExchange) run() (*Authenticated, error) {
	if err := x.greet(); err != nil {
		return nil, err
	}
	if err := x.readResponse(); err != nil {
		return nil, err
	}
	x.account, x.known = x.Accounts.Lookup(x.response.User)
	x.account, x.known = x.account.orDecoy(x.known)
	data, err := x.authData()
	if err != nil {
		return nil, err
	}
	proved, err := x.prove(data)
	if err != nil {
		return nil, err
	}
	if !proved || !x.known {
		return nil, x.refusal(data)
	}
	return x.welcome()
}

// welcome tells the client that it is in, unless Proved says otherwise.
func (x *loginExchange) welcome() (*Authenticated, error) {
	who := x.result()
	if x.Proved != nil {
		if err := x.Proved(who); err != nil {
			return nil, err
		}
	}
	ok := OK{Status: x.Greeting.Status}
	return who, x.send(ok.Append(nil, who.Capabilities))
}

func (x *loginExchange) greet() error {
	var err error
	if x.nonce, err = NewNonce(x.Random); err != nil {
		return err
	}
	greeting := x.Greeting
	greeting.Nonce = x.nonce
	if x.StartTLS != nil {
		greeting.Capabilities |= CapSSL
	}
	x.conn.ResetSequence()
	return x.send(greeting.Append(nil))
}

func (x *loginExchange) readResponse() error {
	payload, err := x.read()
	if err != nil {
		return err
	}
	if IsSSLRequest(payload) {
		if payload, err = x.startTLS(); err != nil {
			return err
		}
	}
	x.response, err = DecodeHandshakeResponse(payload)
	x.conn.disown() // the response aliases it
	if err == nil && x.RequireTLS && !x.secure {
		err = errTLSRequired
	}
	return err
}

// startTLS goes on over TLS and returns the payload that comes next. What a client
// sent behind its SSLRequest without waiting is taken for TLS and breaks it, since
// Conn has not read it: nothing from outside gets inside.
func (x *loginExchange) startTLS() ([]byte, error) {
	if x.StartTLS == nil {
		return nil, errTLSNotOffered
	}
	nc, err := x.StartTLS()
	if err != nil {
		return nil, &TLSError{err}
	}
	if err := x.conn.Upgrade(nc); err != nil {
		return nil, err
	}
	x.secure = true
	return x.read()
}

// authData settles the plug-in and returns the client's data for it and
// x.nonce, which it asks for if the response has none.
func (x *loginExchange) authData() ([]byte, error) {
	if !x.response.Capabilities.Has(CapPluginAuth) {
		x.plugin = NativePassword
		return x.response.AuthData, nil
	}
	offered := x.Greeting.Plugin
	x.plugin = x.account.plugin(x.response.Plugin, offered)
	if x.plugin == x.response.Plugin && x.plugin == offered {
		return x.response.AuthData, nil
	}
	var err error
	if x.nonce, err = NewNonce(x.Random); err != nil {
		return nil, err
	}
	request := AuthSwitchRequest{Plugin: x.plugin, Nonce: x.nonce}
	return x.ask(request.Append(nil))
}

// prove reports whether the client has the password of x.account, going on with
// full authentication if the plug-in has that.
func (x *loginExchange) prove(data []byte) (bool, error) {
	if !x.account.holds(x.plugin) {
		return false, nil
	}
	if x.plugin == NativePassword {
		return x.account.Native.Verify(data, x.nonce), nil
	}
	verifier := x.account.CachingSHA2
	proved := verifier.Verify(data, x.nonce)
	switch {
	case isEmptyPassword(data) || len(data) != len(verifier):
		return proved, nil
	case proved && x.known:
		return true, x.sendMore([]byte{cachingSHA2FastOK})
	default:
		return x.proveInFull(verifier)
	}
}

// proveInFull asks for the password itself.
func (x *loginExchange) proveInFull(verifier *CachingSHA2Verifier) (bool, error) {
	data, err := x.askMore([]byte{cachingSHA2NeedsFull})
	if err != nil {
		return false, errors.Join(ErrUnproved, err)
	}
	wantsKey := len(data) == 1 && data[0] == cachingSHA2RequestKey
	var password []byte
	switch {
	case x.secure && !wantsKey:
		password, err = cleartextPassword(data)
	case x.RSAKey == nil:
		return false, nil
	default:
		if wantsKey {
			if data, err = x.askMore(x.RSAKey.public); err != nil {
				return false, errors.Join(ErrUnproved, err)
			}
		}
		password, err = x.RSAKey.DecryptPassword(data, x.nonce)
	}
	if err != nil {
		return false, nil // not a password, and so not the password
	}
	proved := verifier.VerifyPassword(password)
	clear(password)
	return proved, nil
}

func (x *loginExchange) refusal(data []byte) *Error {
	used := "YES"
	if isEmptyPassword(data) {
		used = "NO"
	}
	return Errorf(ERAccessDenied, "Access denied for user '%s'@'%s' (using password: %s)",
		x.response.User, x.ClientHost, used)
}

func (x *loginExchange) capabilities() Capabilities {
	return x.response.Capabilities & x.Greeting.Capabilities
}

func (x *loginExchange) result() *Authenticated {
	return &Authenticated{
		User:          x.response.User,
		Database:      x.response.Database,
		Capabilities:  x.capabilities(),
		MaxPacketSize: x.response.MaxPacketSize,
		Collation:     x.response.Collation,
		Attributes:    bytes.Clone(x.response.Attributes), // and lets the read buffer go
		Plugin:        x.plugin,
	}
}

func (x *loginExchange) ask(payload []byte) ([]byte, error) {
	if err := x.send(payload); err != nil {
		return nil, err
	}
	return x.read()
}

func (x *loginExchange) askMore(data []byte) ([]byte, error) {
	if err := x.sendMore(data); err != nil {
		return nil, err
	}
	return x.read()
}

func (x *loginExchange) sendMore(data []byte) error {
	more := AuthMoreData{Data: data}
	return x.send(more.Append(nil))
}

func (x *loginExchange) send(payload []byte) error {
	if err := x.conn.WritePacket(payload); err != nil {
		return err
	}
	return x.conn.Flush()
}

func (x *loginExchange) read() ([]byte, error) {
	payload, err := x.conn.ReadPacket(x.budget)
	x.budget -= len(payload)
	return payload, err
}

// isProtocolError reports whether the client can still be told what it did.
func isProtocolError(err error) bool {
	_, malformed := errors.AsType[*MalformedError](err)
	_, tooLarge := errors.AsType[*PacketTooLargeError](err)
	_, outOfOrder := errors.AsType[*SequenceError](err)
	return malformed || tooLarge || outOfOrder || errors.Is(err, errTLSNotOffered)
}
