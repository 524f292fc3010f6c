package dial_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o fakesource.Options) (*fakesource.Source, dial.Options) {
	t.Helper()
	source, err := fakesource.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	return source, dial.Options{Addr: source.Addr(), User: fakesource.DefaultUser, Password: fakesource.DefaultPassword}
}

func open(t *testing.T, o dial.Options) *dial.Conn {
	t.Helper()
	conn, err := dial.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestLogsInAndQueries(t *testing.T) {
	for _, native := range []bool{false, true} {
		_, o := start(t, fakesource.Options{NativePassword: native})
		conn := open(t, o)
		if conn.ServerVersion() != "9.7.4" || conn.ID() == 0 {
			t.Errorf("version %q, id %d", conn.ServerVersion(), conn.ID())
		}
		got, err := conn.Query(t.Context(), "SELECT @@version, @@server_id")
		if err != nil || len(got.Rows) != 1 || !slices.Equal(got.Columns, []string{"@@version", "@@server_id"}) || !slices.Equal(got.Rows[0], []string{"9.7.4", "71"}) {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := conn.Query(t.Context(), "SET @x = 1"); err != nil || len(got.Rows) != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		var statement *dial.StatementError
		_, err = conn.Query(t.Context(), "SELECT @@no_such_variable")
		if !errors.As(err, &statement) || dial.Number(err) != 1193 {
			t.Errorf("%v", err)
		}
		if _, err := conn.Query(t.Context(), "SELECT @@version"); err != nil {
			t.Errorf("behind an error: %v", err)
		}
	}
}

func TestTellsRefusalFromAbsence(t *testing.T) {
	_, o := start(t, fakesource.Options{})
	wrong := o
	wrong.Password = "not the password"
	_, err := dial.Open(t.Context(), wrong)
	var denied *dial.DeniedError
	if !errors.As(err, &denied) || dial.Number(err) != 1045 {
		t.Errorf("wrong password: %v", err)
	}
	absent := o
	absent.Addr = "127.0.0.1:1"
	_, err = dial.Open(t.Context(), absent)
	var unreachable *dial.UnreachableError
	if !errors.As(err, &unreachable) || dial.Number(err) != 0 {
		t.Errorf("no server: %v", err)
	}
}

// greet answers every connection with the same bytes, then closes it.
func greet(t *testing.T, greeting []byte) dial.Options {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(greeting)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return dial.Options{Addr: listener.Addr().String(), User: "u", Password: "a long password", ConnectTimeout: 5 * time.Second}
}

func packet(seq uint8, payload []byte) []byte {
	return append(wire.AppendPacketHeader(nil, len(payload), seq), payload...)
}

// go-mysql indexes a greeting without looking at its length.
func TestAHostileGreetingIsAnError(t *testing.T) {
	greeting := wire.Greeting{ServerVersion: "9.7.4", ConnectionID: 1, Capabilities: wire.LoginCapabilities, Plugin: wire.CachingSHA2Password}
	whole := greeting.Append(nil)
	for n := range whole {
		_, err := dial.Open(t.Context(), greet(t, packet(0, whole[:n])))
		var unreachable *dial.UnreachableError
		if !errors.As(err, &unreachable) {
			t.Errorf("a greeting of %d bytes: %v", n, err)
		}
	}
	// A key that is none, and an auth switch to nothing.
	for name, answer := range map[string][]byte{
		"no key":         packet(2, []byte{0x01, 0x04}),
		"a broken key":   append(packet(2, []byte{0x01, 0x04}), packet(4, []byte("\x01no key"))...),
		"a short nonce":  packet(2, []byte("\xfemysql_native_password\x00abc\x00")),
		"an empty one":   packet(2, nil),
		"too many":       packet(2, []byte("\xfemysql_old_password\x00")),
		"another server": []byte("SSH-2.0-OpenSSH_9.9\r\n"),
	} {
		stream := append(packet(0, whole), answer...)
		if name == "another server" {
			stream = answer
		}
		_, err := dial.Open(t.Context(), greet(t, stream))
		if err == nil || strings.Contains(err.Error(), "a long password") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server has seen the password, or knows it; it must not get into our log.
func TestAServerCannotPutThePasswordIntoAnError(t *testing.T) {
	echo := wire.Errorf(1045, "Access denied, and your password is 'a long password'")
	_, err := dial.Open(t.Context(), greet(t, packet(0, echo.Append(nil))))
	var denied *dial.DeniedError
	if !errors.As(err, &denied) || strings.Contains(err.Error(), "a long password") || !strings.Contains(err.Error(), "[secret]") {
		t.Errorf("%v", err)
	}
}

func TestASecretIsNotPrinted(t *testing.T) {
	o := dial.Options{Addr: "a:1", User: "u", Password: "hidden value"}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "options", o, "password", o.Password)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "options", o, "password", o.Password)
	b, err := json.Marshal(struct{ Password dial.Secret }{o.Password})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(b) + fmt.Sprintf("%v %+v %#v %s %q %x", o, o, o, o.Password, o.Password, o.Password)
	if strings.Contains(all, "hidden") || strings.Contains(all, fmt.Sprintf("%x", "hidden value")) {
		t.Errorf("printed: %s", all)
	}
	if o.Password.Reveal() != "hidden value" {
		t.Error("Reveal does not")
	}
}

func stalled(t *testing.T) (*faultproxy.Proxy, dial.Options) {
	t.Helper()
	_, o := start(t, fakesource.Options{})
	proxy, err := faultproxy.Start(o.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	o.Addr = proxy.Addr()
	return proxy, o
}

func TestAContextEndsEveryWait(t *testing.T) {
	proxy, o := stalled(t)
	conn := open(t, o)
	proxy.Set(faultproxy.ToClient, faultproxy.Faults{Stall: true})
	for name, wait := range map[string]func(context.Context) error{
		"open":  func(ctx context.Context) error { _, err := dial.Open(ctx, o); return err },
		"query": func(ctx context.Context) error { _, err := conn.Query(ctx, "SELECT @@version"); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func TestATimeLimitEndsEveryWait(t *testing.T) {
	proxy, o := stalled(t)
	o.ConnectTimeout = 500 * time.Millisecond
	conn := open(t, o)
	proxy.Set(faultproxy.ToClient, faultproxy.Faults{Stall: true})
	var unreachable *dial.UnreachableError
	if _, err := dial.Open(t.Context(), o); !errors.As(err, &unreachable) {
		t.Errorf("open: %v", err)
	}
	if _, err := conn.Query(t.Context(), "SELECT @@version"); !errors.As(err, &unreachable) {
		t.Errorf("query: %v", err)
	}
}

func TestTakesOverBetweenTwoCommands(t *testing.T) {
	_, o := start(t, fakesource.Options{})
	conn := open(t, o)
	if _, err := conn.Query(t.Context(), "SELECT @@version"); err != nil {
		t.Fatal(err)
	}
	below, err := conn.Takeover()
	if err != nil {
		t.Fatal(err)
	}
	defer below.Close()
	w := wire.NewConn(below)
	reg := wire.RegisterReplica{ServerID: 5}
	if err := errors.Join(w.WritePacket(reg.Append(nil)), w.Flush()); err != nil {
		t.Fatal(err)
	}
	if answer, err := w.ReadPacket(1000); err != nil || answer[0] != 0 {
		t.Errorf("%x, %v", answer, err)
	}
}

// What a server sends without being asked would be lost in go-mysql's buffer.
func TestDoesNotTakeOverWhatIsNotDrained(t *testing.T) {
	greeting := wire.Greeting{ServerVersion: "9.7.4", ConnectionID: 1, Capabilities: wire.LoginCapabilities, Plugin: wire.CachingSHA2Password}
	var ok wire.OK
	login := append(packet(0, greeting.Append(nil)), packet(2, ok.Append(nil, wire.LoginCapabilities))...)
	for _, unasked := range [][]byte{nil, {0}, {1, 2}, {1, 2, 3}, packet(0, []byte("event"))} {
		conn, err := dial.Open(t.Context(), greet(t, append(login[:len(login):len(login)], unasked...)))
		if err != nil {
			t.Fatal(err)
		}
		below, err := conn.Takeover()
		if (err == nil) != (len(unasked) == 0) {
			t.Errorf("%d bytes unasked: %v", len(unasked), err)
		}
		if err == nil {
			below.Close()
		}
	}
}
