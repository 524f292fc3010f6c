package dial

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// UnreachableError says that the server could not be reached, broke off, or did
// not speak the protocol. Another try may go better.
type UnreachableError struct {
	Addr  string
	Doing string // what failed: "connect", "login", or a statement
	Err   error
}

func (e *UnreachableError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Addr, e.Doing, e.Err) }
func (e *UnreachableError) Unwrap() error { return e.Err }

// DeniedError says that the server refused the account. It will go on refusing
// until someone changes the account or what we say of it.
type DeniedError struct {
	Addr string
	User string
	Err  *wire.Error
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s: login as %q: %v", e.Addr, e.User, e.Err)
}
func (e *DeniedError) Unwrap() error { return e.Err }

// UntrustedError says that we refused the server: its certificate, a connection
// without TLS, or what it wants of the password. Nothing was sent that would be as
// good as the password to whoever answered.
type UntrustedError struct {
	Addr string
	Err  error
}

func (e *UntrustedError) Error() string { return fmt.Sprintf("%s: not trusted: %v", e.Addr, e.Err) }
func (e *UntrustedError) Unwrap() error { return e.Err }

// StatementError is an error that the server answered a statement or a login
// with, and that does not refuse the account. Err holds its number.
type StatementError struct {
	Addr  string
	Doing string
	Err   *wire.Error
}

func (e *StatementError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Addr, e.Doing, e.Err) }
func (e *StatementError) Unwrap() error { return e.Err }

// Number returns the MySQL error number in err, or 0 when it holds none.
func Number(err error) uint16 {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// refused are the numbers with which a server refuses an account at login
// (share/messages_to_clients.txt).
var refused = map[uint16]bool{
	1044: true, // ER_DBACCESS_DENIED_ERROR
	1045: true, // ER_ACCESS_DENIED_ERROR
	1130: true, // ER_HOST_NOT_PRIVILEGED
	1251: true, // ER_NOT_SUPPORTED_AUTH_MODE
	1524: true, // ER_PLUGIN_IS_NOT_LOADED
	1698: true, // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
	1862: true, // ER_MUST_CHANGE_PASSWORD_LOGIN
	3118: true, // ER_ACCOUNT_HAS_BEEN_LOCKED
	3159: true, // ER_SECURE_TRANSPORT_REQUIRED
	3955: true, // ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK
}

// loginError gives an error of the login its type.
func (o *Options) loginError(doing string, err error) error {
	e := o.serverError(err)
	switch {
	case e == nil:
		return &UnreachableError{Addr: o.Addr, Doing: doing, Err: o.withoutSecret(err)}
	case refused[e.Number]:
		return &DeniedError{Addr: o.Addr, User: o.User, Err: e}
	}
	return &StatementError{Addr: o.Addr, Doing: doing, Err: e}
}

// statementError gives an error of a statement its type.
func (o *Options) statementError(doing string, err error) error {
	if e := o.serverError(err); e != nil {
		return &StatementError{Addr: o.Addr, Doing: doing, Err: e}
	}
	return &UnreachableError{Addr: o.Addr, Doing: doing, Err: o.withoutSecret(err)}
}

// serverError returns the ERR packet in an error of go-mysql, or nil.
func (o *Options) serverError(err error) *wire.Error {
	var e *mysql.MyError
	if !errors.As(err, &e) {
		return nil
	}
	message := e.Message
	if len(message) > wire.MaxMessage {
		message = message[:wire.MaxMessage]
	}
	return &wire.Error{Number: e.Code, State: e.State, Message: o.hide(message)}
}

// withoutSecret returns err itself, unless its text holds the password.
func (o *Options) withoutSecret(err error) error {
	if text := err.Error(); o.hide(text) != text {
		return errors.New(o.hide(text))
	}
	return err
}

// hide takes the password out of a text that came from the server, which has
// seen it and might repeat it. A very short one would match by accident, and is
// not worth hiding.
func (o *Options) hide(text string) string {
	if len(o.Password) < 4 {
		return text
	}
	return strings.ReplaceAll(text, o.Password.Reveal(), redacted)
}
