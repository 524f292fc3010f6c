package wire

import (
	"bytes"
	"crypto/rand"
	"net"
	"slices"
	"testing"
)

// watchedAccounts notes that an account was looked up.
type watchedAccounts struct {
	accounts Accounts
	asked    bool
}

func (w *watchedAccounts) Lookup(user string) (Account, bool) {
	w.asked = true
	return w.accounts.Lookup(user)
}

// FuzzServerLoginTLS lets the fuzzer begin a login where TLS is offered or required.
// Behind that a client goes on that knows the password, or one that does not. Only the
// first gets in; and where TLS is required, nobody is even looked up without it.
func FuzzServerLoginTLS(f *testing.F) {
	split := []byte("|next|")
	request := (&SSLRequest{Capabilities: clientCapabilities}).Append(nil)
	response := (&HandshakeResponse{Capabilities: clientCapabilities | CapSSL, User: "both", Plugin: "other"}).Append(nil)
	for _, first := range [][]byte{nil, request, request[:4], response, bytes.Join([][]byte{request, response}, split), bytes.Join([][]byte{request, request}, split)} {
		for settings := range uint8(16) {
			f.Add(first, settings)
		}
	}
	password := rand.Text() // in no corpus
	accounts := mapAccounts{"both": accountWith(password, CachingSHA2Password, NativePassword), "native": accountWith(password, NativePassword)}
	f.Fuzz(func(t *testing.T, data []byte, settings uint8) {
		required, offered, secure, knows := settings&1 != 0, settings&2 != 0, settings&4 != 0, settings&8 != 0
		var answers [][]byte
		if len(data) > 0 {
			answers = bytes.Split(data, split)
		}
		c := client{user: "both", password: "wrong", caps: clientCapabilities}
		if knows {
			c.password = password
		}
		watched := &watchedAccounts{accounts: accounts}
		login := ServerLogin{Greeting: testGreeting(CachingSHA2Password), Accounts: watched, RSAKey: testKey(), Secure: secure, RequireTLS: required}
		peer, upgraded := (*loginPeer)(nil), false
		var greeting []byte
		answer := func(payload []byte) []byte {
			if greeting == nil {
				greeting = bytes.Clone(payload)
			}
			if len(answers) > 0 {
				first := answers[0]
				answers = answers[1:]
				return append([]byte{}, first...)
			}
			return c.answer(payload)
		}
		if offered {
			login.StartTLS = func() (net.Conn, error) { // the peer goes on as if inside TLS
				upgraded = true
				next := append([]byte{}, answer(greeting)...)
				peer.in.Write(append(AppendPacketHeader(nil, len(next), 2), next...))
				return peer, nil
			}
		}
		peer = &loginPeer{answer: answer}
		login.Random, login.ClientHost = rand.Reader, "10.0.0.1"
		auth, err := login.Run(NewConn(peer))
		if (auth == nil) != (err != nil) {
			t.Fatalf("%+v, %v", auth, err)
		}
		if auth != nil && !knows {
			t.Fatalf("authenticated without a proof as %+v", auth)
		}
		if private := secure || upgraded; required && !private && (auth != nil || watched.asked || slices.ContainsFunc(peer.sent[1:], func(p []byte) bool { return !IsError(p) })) {
			t.Fatalf("a login without TLS: %+v, looked up %v, sent %q", auth, watched.asked, peer.sent)
		}
	})
}

// FuzzAttributes reads what a client says of itself: what comes out went in, and a pair
// that is added behind whole ones is found.
func FuzzAttributes(f *testing.F) {
	f.Add([]byte(Attributes(nil).With("program_name", "mysqld").With("_pid", "17")), "_client_role", "binary_log_listener")
	f.Add([]byte("\x03abc"), "", "")
	f.Add([]byte("\xfe\xff\xff\xff\xff\xff\xff\xff\xff"), "a", "b")
	f.Fuzz(func(t *testing.T, data []byte, name, value string) {
		var whole Attributes
		size := 0
		for n, v := range Attributes(data).All() {
			whole = whole.With(string(n), string(v))
			if size += len(n) + len(v); size > len(data) {
				t.Fatalf("%d bytes of %d", size, len(data))
			}
		}
		count := 0
		for range whole.With(name, value).All() {
			count++
		}
		before, had := 0, false
		for n := range whole.All() {
			before++
			had = had || string(n) == name
		}
		if count != before+1 {
			t.Fatalf("%d pairs and one more are %d", before, count)
		}
		if got := whole.With(name, value).Get(name); !had && got != value {
			t.Fatalf("%q is %q, not %q", name, got, value)
		}
		if Attributes(data).Get(name) != whole.Get(name) {
			t.Fatal("what does not decode changes what does")
		}
	})
}
