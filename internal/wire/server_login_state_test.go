package wire

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// loginPeer is the client's end of a login, without a network: it answers each
// flush of the server with one payload, correctly numbered.
type loginPeer struct {
	memConn
	answer func(payload []byte) []byte // to the server's latest payload; nil closes
	sent   [][]byte                    // by the server
	in     bytes.Buffer
	closed bool
}

func (p *loginPeer) Write(b []byte) (int, error) {
	seq := b[3]
	for rest := b; len(rest) > 0; {
		n := HeaderLen + (int(rest[0]) | int(rest[1])<<8)
		p.sent = append(p.sent, bytes.Clone(rest[HeaderLen:n]))
		seq, rest = rest[3], rest[n:]
	}
	if p.closed {
		return len(b), nil
	}
	payload := p.answer(p.sent[len(p.sent)-1])
	if payload == nil {
		p.closed = true
		return len(b), nil
	}
	p.in.Write(AppendPacketHeader(nil, len(payload), seq+1))
	p.in.Write(payload)
	return len(b), nil
}

func (p *loginPeer) Read(b []byte) (int, error) { return p.in.Read(b) }

// client is a scripted client. It takes part in a login as real ones do, with
// the deviations that its fields say.
type client struct {
	user, password string
	caps           Capabilities
	plugin         string // "" follows the greeting
	noPlugin       bool   // sends no plug-in name
	noData         bool   // sends no auth data with the response
	damage         bool   // of the auth data in the response
	cleartext      bool   // thinks that the connection is secure
	pinned         *rsa.PublicKey

	nonce  Nonce
	active string
}

func (c *client) answer(payload []byte) []byte {
	switch {
	case payload[0] == protocolVersion:
		return c.respond(payload)
	case payload[0] == authSwitchHeader && len(payload) > eofLen:
		a, err := DecodeAuthSwitchRequest(payload)
		if err != nil {
			panic(err)
		}
		c.nonce, c.active = a.Nonce, a.Plugin
		return c.data()
	case bytes.Equal(payload, []byte{authMoreDataHeader, cachingSHA2NeedsFull}):
		switch {
		case c.cleartext:
			return append([]byte(c.password), 0)
		case c.pinned != nil:
			return c.encrypt(c.pinned)
		default:
			return []byte{cachingSHA2RequestKey}
		}
	case bytes.HasPrefix(payload, []byte("\x01-----BEGIN")):
		key, err := ParsePublicKey(payload[1:])
		if err != nil {
			panic(err)
		}
		return c.encrypt(key)
	default:
		return nil
	}
}

func (c *client) respond(payload []byte) []byte {
	g, err := DecodeGreeting(payload)
	if err != nil {
		panic(err)
	}
	c.nonce, c.active = g.Nonce, c.plugin
	if c.active == "" {
		c.active = g.Plugin
	}
	h := HandshakeResponse{Capabilities: c.caps, User: c.user, Plugin: c.active}
	if !c.noData {
		h.AuthData = c.data()
	}
	if c.damage && len(h.AuthData) > 0 {
		h.AuthData[0] ^= 1
	}
	if c.noPlugin {
		h.Capabilities &^= CapConnectAttrs
		p := h.Append(nil)
		return p[:len(p)-len(h.Plugin)-1]
	}
	return h.Append(nil)
}

func (c *client) data() []byte {
	data := []byte{}
	switch c.active {
	case NativePassword:
		data = append(data, NativeResponse([]byte(c.password), c.nonce)...)
	case CachingSHA2Password:
		data = append(data, CachingSHA2Response([]byte(c.password), c.nonce)...)
	}
	return data
}

func (c *client) encrypt(key *rsa.PublicKey) []byte {
	block, err := EncryptPassword(key, []byte(c.password), c.nonce)
	if err != nil {
		panic(err)
	}
	return block
}

const clientCapabilities = LoginCapabilities &^ CapConnectWithDB

func runLogin(login ServerLogin, answer func([]byte) []byte) (*Authenticated, *loginPeer, error) {
	if login.Accounts == nil {
		login.Accounts = testAccounts
	}
	if login.Random == nil {
		login.Random = rand.Reader
	}
	login.ClientHost = "10.0.0.1"
	peer := &loginPeer{answer: answer}
	auth, err := login.Run(NewConn(peer))
	return auth, peer, err
}

// Every combination of account, client, greeting and transport: in exactly those
// cases where the client knows the password, and can show it to this account, it
// gets in; in all others it gets the one refusal.
func TestNoOneGetsInWithoutThePassword(t *testing.T) {
	accounts := map[string]string{"both": "secret", "caching": "secret", "native": "secret", "empty": "", "locked": "secret", "nobody": "secret"}
	clients := map[string]client{
		"libmysql":                   {caps: clientCapabilities},
		"native only":                {caps: clientCapabilities, plugin: NativePassword},
		"native without data":        {caps: clientCapabilities, plugin: NativePassword, noData: true},
		"unknown plug-in":            {caps: clientCapabilities, plugin: "client_ed25519"},
		"no plug-in name":            {caps: clientCapabilities, noPlugin: true},
		"before plug-ins":            {caps: clientCapabilities &^ CapPluginAuth, plugin: NativePassword},
		"one-byte length":            {caps: clientCapabilities &^ CapPluginAuthLenenc},
		"full authentication":        {caps: clientCapabilities, damage: true},
		"pinned key":                 {caps: clientCapabilities, damage: true, pinned: &testKey().private.PublicKey},
		"full, thinks it is secure":  {caps: clientCapabilities, damage: true, cleartext: true},
		"native, damaged":            {caps: clientCapabilities, plugin: NativePassword, damage: true},
		"full, old length of data":   {caps: clientCapabilities &^ CapPluginAuthLenenc, damage: true},
		"no plug-in name, no data":   {caps: clientCapabilities, noPlugin: true, noData: true},
		"before plug-ins, no data":   {caps: clientCapabilities &^ CapPluginAuth, plugin: NativePassword, noData: true},
		"before plug-ins, damaged":   {caps: clientCapabilities &^ CapPluginAuth, plugin: NativePassword, damage: true},
		"caching_sha2, damaged data": {caps: clientCapabilities, plugin: CachingSHA2Password, damage: true},
	}
	succeeded := 0
	for user, right := range accounts {
		for name, c := range clients {
			for _, greeting := range []string{CachingSHA2Password, NativePassword} {
				for _, password := range []string{"secret", "wrong", ""} {
					for _, secure := range []bool{false, true} {
						for _, key := range []*RSAKey{testKey(), nil} {
							c.user, c.password = user, password
							login := ServerLogin{Greeting: testGreeting(greeting), Secure: secure, RSAKey: key}
							auth, peer, err := runLogin(login, c.answer)
							what := fmt.Sprintf("%s as %s with %q, greeting %s, secure %v, key %v", name, user, password, greeting, secure, key != nil)
							if auth == nil {
								checkRefusal(t, what, err, peer, &c)
							} else {
								succeeded++
								if err != nil {
									t.Errorf("%s: authenticated with %v", what, err)
								}
								if last := peer.sent[len(peer.sent)-1]; last[0] != okHeader {
									t.Errorf("%s: last packet % x", what, last)
								}
							}
							if got, want := auth != nil, canLogIn(&c, right, greeting, secure, key != nil); got != want {
								t.Errorf("%s: authenticated %v, want %v", what, got, want)
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d logins succeeded", succeeded)
}

// canLogIn says, from the rules of mysqld, whether a client gets in.
func canLogIn(c *client, right, greeting string, secure, key bool) bool {
	account := testAccounts[c.user]
	if account.Native == nil && account.CachingSHA2 == nil {
		return false
	}
	named := c.plugin
	if named == "" {
		named = greeting
	}
	if c.noPlugin {
		named = ""
	}
	plugin := account.plugin(named, greeting)
	counts := named == greeting && plugin == greeting // what came with the response
	if !c.caps.Has(CapPluginAuth) {
		plugin, counts = NativePassword, true
		if account.Native == nil {
			return false
		}
	}
	claimed := c.password
	if counts && c.noData {
		claimed = "" // no data says "my password is empty"
	}
	switch {
	case claimed != right:
		return false
	case claimed == "" || !counts || !c.damage:
		return true
	case plugin == NativePassword:
		return false
	case c.cleartext:
		return secure
	case c.pinned != nil:
		return key && !secure // over a secure connection a block is taken for a password
	default:
		return key
	}
}

func checkRefusal(t *testing.T, what string, err error, peer *loginPeer, c *client) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Number != ERAccessDenied || e.State != "28000" {
		t.Errorf("%s: error %v", what, err)
		return
	}
	prefix := fmt.Sprintf("Access denied for user '%s'@'10.0.0.1' (using password: ", c.user)
	if !strings.HasPrefix(e.Message, prefix+"YES)") && !strings.HasPrefix(e.Message, prefix+"NO)") {
		t.Errorf("%s: text %s", what, e.Message)
	}
	if last := peer.sent[len(peer.sent)-1]; !bytes.Equal(last, e.Append(nil)) {
		t.Errorf("%s: last packet %q", what, last)
	}
}

// With the same random numbers, a wrong password and an unknown user of the same
// length must look the same to the last byte, whatever the client does.
func TestUnknownUserLooksLikeAWrongPassword(t *testing.T) {
	accounts := mapAccounts{"alice": testAccounts["both"]}
	nativeOnly := shapedAccounts{testAccounts["native"]}
	for _, tt := range []struct {
		name     string
		accounts Accounts
		users    [2]string
	}{
		{"accounts with all verifiers", accounts, [2]string{"alice", "mabel"}},
		{"locked account", mapAccounts{"alice": testAccounts["both"], "eve": {}}, [2]string{"alice", "eve"}},
		{"accounts with native verifiers, and Lookup says so", nativeOnly, [2]string{"known", "mabel"}},
	} {
		for _, greeting := range []string{CachingSHA2Password, NativePassword} {
			for _, c := range []client{
				{caps: clientCapabilities, password: "wrong"},
				{caps: clientCapabilities, password: ""},
				{caps: clientCapabilities, password: "wrong", plugin: NativePassword},
				{caps: clientCapabilities, password: "wrong", plugin: "other"},
				{caps: clientCapabilities &^ CapPluginAuth, password: "wrong", plugin: NativePassword},
				{caps: clientCapabilities, password: "wrong", cleartext: true},
			} {
				var transcripts [2][][]byte
				for i, user := range tt.users {
					c.user = user
					login := ServerLogin{Greeting: testGreeting(greeting), Accounts: tt.accounts, RSAKey: testKey(),
						Secure: c.cleartext, Random: bytes.NewReader(randomBytes(1000))}
					auth, peer, _ := runLogin(login, c.answer)
					if auth != nil {
						t.Fatalf("%s got in", user)
					}
					for _, p := range peer.sent {
						p = bytes.ReplaceAll(p, []byte("'"+user+"'"), []byte("'user'"))
						transcripts[i] = append(transcripts[i], p)
					}
				}
				if !reflect.DeepEqual(transcripts[0], transcripts[1]) {
					t.Errorf("%s, greeting %s, client %+v:\n%q\n%q", tt.name, greeting, c, transcripts[0], transcripts[1])
				}
			}
		}
	}
}

// shapedAccounts knows one user, and pretends that all others have the like.
type shapedAccounts struct{ account Account }

func (s shapedAccounts) Lookup(user string) (Account, bool) { return s.account, user == "known" }

func TestLoginOfAClientThatBreaksTheProtocol(t *testing.T) {
	response := func(h HandshakeResponse) []byte { h.Capabilities |= clientCapabilities; return h.Append(nil) }
	tests := []struct {
		name    string
		answers [][]byte
		told    bool // the client gets ERR 1043
		want    func(error) bool
	}{
		{"closes at once", nil, false, func(err error) bool { return errors.Is(err, io.EOF) }},
		{"sends nothing in a packet", [][]byte{{}}, true, isMalformed},
		{"speaks before 4.1", [][]byte{[]byte("\x85\x24\x00\x00\x00old\x00GDSCQYR_")}, true, isMalformed},
		{"asks for TLS", [][]byte{(&SSLRequest{Capabilities: LoginCapabilities}).Append(nil)}, true,
			func(err error) bool { return errors.Is(err, errTLSNotOffered) }},
		{"sends 64 KiB", [][]byte{make([]byte, LoginLimit+1)}, true, isTooLarge},
		{"sends 64 KiB in two packets", [][]byte{
			response(HandshakeResponse{User: "native", Plugin: NativePassword, Attributes: make(Attributes, LoginLimit-1000)}), make([]byte, 1001)}, true, isTooLarge},
		{"leaves when it is to switch", [][]byte{response(HandshakeResponse{User: "native"})}, false,
			func(err error) bool { return errors.Is(err, io.EOF) }},
		{"leaves when it is to send the password", [][]byte{
			response(HandshakeResponse{User: "both", Plugin: CachingSHA2Password, AuthData: make([]byte, 32)})}, false,
			func(err error) bool { return errors.Is(err, io.EOF) }},
		{"leaves with the key", [][]byte{
			response(HandshakeResponse{User: "both", Plugin: CachingSHA2Password, AuthData: make([]byte, 32)}), {cachingSHA2RequestKey}}, false,
			func(err error) bool { return errors.Is(err, io.EOF) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answers := tt.answers
			auth, peer, err := runLogin(ServerLogin{Greeting: testGreeting(CachingSHA2Password), RSAKey: testKey()}, func([]byte) []byte {
				if len(answers) == 0 {
					return nil
				}
				answer := answers[0]
				answers = answers[1:]
				return answer
			})
			if auth != nil || !tt.want(err) || !strings.Contains(fmt.Sprint(err), "10.0.0.1") {
				t.Errorf("authenticated %v, error %v", auth, err)
			}
			if _, ok := errors.AsType[*Error](err); ok {
				t.Errorf("error %v looks like a refusal of the account", err)
			}
			if got := bytes.HasPrefix(peer.sent[len(peer.sent)-1], []byte("\xff\x13\x04#08S01")); got != tt.told {
				t.Errorf("told %v, want %v: %q", got, tt.told, peer.sent[len(peer.sent)-1])
			}
		})
	}
}

func isMalformed(err error) bool { _, ok := errors.AsType[*MalformedError](err); return ok }
func isTooLarge(err error) bool  { _, ok := errors.AsType[*PacketTooLargeError](err); return ok }

func TestLoginRefusesAPacketOutOfOrder(t *testing.T) {
	peer := &loginPeer{answer: func([]byte) []byte { return nil }}
	h := HandshakeResponse{Capabilities: clientCapabilities, User: "empty", Plugin: CachingSHA2Password}
	payload := h.Append(nil)
	peer.in.Write(append(AppendPacketHeader(nil, len(payload), 0), payload...))
	login := ServerLogin{Greeting: testGreeting(CachingSHA2Password), Accounts: testAccounts, Random: rand.Reader}
	auth, err := login.Run(NewConn(peer))
	if _, ok := errors.AsType[*SequenceError](err); !ok || auth != nil {
		t.Errorf("%v, %v", auth, err)
	}
}

func TestNoRandomNumbersNoLogin(t *testing.T) {
	login := ServerLogin{Greeting: testGreeting(CachingSHA2Password), Random: strings.NewReader("")}
	auth, peer, err := runLogin(login, (&client{user: "empty", caps: clientCapabilities}).answer)
	if auth != nil || !errors.Is(err, io.EOF) || len(peer.sent) != 0 {
		t.Errorf("%v, %v, sent %q", auth, err, peer.sent)
	}
	// The second nonce, for a switch, fails.
	login.Random = bytes.NewReader(bytes.Repeat([]byte("n"), NonceLen))
	auth, _, err = runLogin(login, (&client{user: "empty", caps: clientCapabilities, plugin: "other"}).answer)
	if auth != nil || !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v", auth, err)
	}
}

func TestEverySwitchHasANonceOfItsOwn(t *testing.T) {
	c := client{user: "native", password: "secret", caps: clientCapabilities}
	auth, peer, err := runLogin(ServerLogin{Greeting: testGreeting(CachingSHA2Password)}, c.answer)
	if err != nil || auth.Plugin != NativePassword {
		t.Fatal(auth, err)
	}
	greeting, err := DecodeGreeting(peer.sent[0])
	if err != nil {
		t.Fatal(err)
	}
	if c.nonce == greeting.Nonce {
		t.Error("a client was made to answer twice to one nonce")
	}
}

func TestAuthenticatedKeepsWhatTheClientSaid(t *testing.T) {
	h := HandshakeResponse{Capabilities: clientCapabilities | CapConnectWithDB | CapQueryAttributes, MaxPacketSize: 1 << 30, Collation: 33,
		User: "native", Database: "d", Plugin: "other", Attributes: Attributes(nil).With("_client_role", "binary_log_listener")}
	c := client{password: "secret"}
	auth, _, err := runLogin(ServerLogin{Greeting: testGreeting(CachingSHA2Password)}, func(payload []byte) []byte {
		if payload[0] == protocolVersion {
			return h.Append(nil)
		}
		return c.answer(payload) // reads over the buffer that the response was in
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Authenticated{User: "native", Database: "d", Capabilities: clientCapabilities | CapConnectWithDB, MaxPacketSize: 1 << 30,
		Collation: 33, Attributes: h.Attributes, Plugin: NativePassword}
	if !reflect.DeepEqual(auth, want) {
		t.Errorf("%+v, want %+v", auth, want)
	}
}

// FuzzServerLogin lets the fuzzer be the client. The nonces are random, so nothing
// that it sends can be a proof, and no account here has an empty password.
func FuzzServerLogin(f *testing.F) {
	split := func(payloads ...[]byte) []byte {
		return bytes.Join(payloads, []byte("|next|"))
	}
	for _, caps := range []Capabilities{clientCapabilities, clientCapabilities &^ CapPluginAuth, 0x99b8a285, 0x0009a605} {
		for _, user := range []string{"both", "native", "nobody"} {
			h := HandshakeResponse{Capabilities: caps, User: user, Plugin: CachingSHA2Password, AuthData: make([]byte, 32)}
			f.Add(split(h.Append(nil), []byte{cachingSHA2RequestKey}, make([]byte, 256)), false)
			f.Add(split(h.Append(nil), []byte("wrong\x00")), true)
			h.Plugin, h.AuthData = NativePassword, make([]byte, 20)
			f.Add(split(h.Append(nil), make([]byte, 20)), false)
			h.AuthData = nil
			f.Add(split(h.Append(nil), nil), false)
		}
	}
	accounts := mapAccounts{}
	for _, user := range []string{"both", "caching", "native", "locked"} {
		accounts[user] = testAccounts[user]
	}
	password := make([]byte, 16)
	if _, err := rand.Read(password); err != nil {
		f.Fatal(err)
	}
	for user := range accounts {
		// A password that is in no corpus, for the cleartext path.
		var plugins []string
		for _, p := range []string{CachingSHA2Password, NativePassword} {
			if accounts[user].holds(p) {
				plugins = append(plugins, p)
			}
		}
		accounts[user] = accountWith(fmt.Sprintf("%x", password), plugins...)
	}
	f.Fuzz(func(t *testing.T, data []byte, secure bool) {
		answers := bytes.Split(data, []byte("|next|"))
		login := ServerLogin{Greeting: testGreeting(CachingSHA2Password), Accounts: accounts, RSAKey: testKey(), Secure: secure}
		auth, peer, err := runLogin(login, func([]byte) []byte {
			if len(answers) == 0 {
				return nil
			}
			answer := slices.Clip(answers[0])
			answers = answers[1:]
			if answer == nil {
				answer = []byte{}
			}
			return answer
		})
		if auth != nil || err == nil {
			t.Fatalf("authenticated as %+v", auth)
		}
		if len(peer.sent) > 5 {
			t.Fatalf("%d packets for one login", len(peer.sent))
		}
		for _, p := range peer.sent {
			if p[0] == okHeader || bytes.Equal(p, []byte{authMoreDataHeader, cachingSHA2FastOK}) {
				t.Fatalf("sent % x", p)
			}
		}
	})
}

// A right password for an account that Lookup denies (for example because it is
// shut out for guessing) proves nothing, on any path.
func TestProofForADeniedAccountDoesNotCount(t *testing.T) {
	for _, account := range []string{"both", "native", "empty"} {
		for _, c := range []client{
			{caps: clientCapabilities},
			{caps: clientCapabilities, damage: true},
			{caps: clientCapabilities, plugin: NativePassword},
			{caps: clientCapabilities &^ CapPluginAuth, plugin: NativePassword},
		} {
			c.user, c.password = "denied", "secret"
			if account == "empty" {
				c.password = ""
			}
			for _, greeting := range []string{CachingSHA2Password, NativePassword} {
				auth, peer, err := runLogin(ServerLogin{Greeting: testGreeting(greeting), RSAKey: testKey(),
					Accounts: shapedAccounts{testAccounts[account]}}, c.answer)
				if auth != nil {
					t.Errorf("%s, greeting %s, client %+v: authenticated", account, greeting, c)
					continue
				}
				checkRefusal(t, account, err, peer, &c)
				if slices.ContainsFunc(peer.sent, func(p []byte) bool { return bytes.Equal(p, []byte{authMoreDataHeader, cachingSHA2FastOK}) }) {
					t.Errorf("%s, greeting %s, client %+v: told that the password was right", account, greeting, c)
				}
			}
		}
	}
}

// As in mysqld, auth data that cannot be a response to a nonce ends the login; the
// password is asked for only of clients that speak the plug-in's language.
func TestAuthDataOfTheWrongLengthIsRefusedAtOnce(t *testing.T) {
	for _, n := range []int{2, 20, 31, 33, 255} {
		c := client{user: "both"}
		h := HandshakeResponse{Capabilities: clientCapabilities, User: c.user, Plugin: CachingSHA2Password, AuthData: make([]byte, n)}
		_, peer, err := runLogin(ServerLogin{Greeting: testGreeting(CachingSHA2Password), RSAKey: testKey()}, func([]byte) []byte { return h.Append(nil) })
		checkRefusal(t, fmt.Sprint(n), err, peer, &c)
		if len(peer.sent) != 2 {
			t.Errorf("%d bytes: %d packets, want greeting and ERR", n, len(peer.sent))
		}
	}
}
