package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/dial"
)

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c.FillDefaults()
	return c
}

const minimal = `
data-dir: /d
sources:
  - address: db1
    user: u
    server-id: 7
    accounts: [{user: r}]
`

func TestWhatIsLeftOutGetsItsDefault(t *testing.T) {
	c := parse(t, minimal)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s := c.Sources[0]
	if s.Name != "main" || s.Address != "db1:3306" || s.Listen != DefaultListen || s.From != "oldest" || s.OnGap != "continue" ||
		s.Heartbeat != DefaultHeartbeat || c.HTTP.Listen != DefaultHTTPListen || c.Log != (Log{"info", "text"}) || c.ExitOnStop {
		t.Errorf("%+v", c)
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	c := parse(t, `
data-dir: ""
log: {level: loud, format: xml}
http: {listen: nowhere}
sources:
  - {name: a/b, address: "db:x", heartbeat: 1ns, on-gap: maybe, from: "../x", password-file: f, password-env: E}
  - {name: two, address: "db:1", user: u, server-id: 1, listen: "127.0.0.1:1", accounts: [{user: r}, {user: r}, {}], listen-tls: {mode: perhaps, client-ca-file: ca}}
  - {name: two, address: "db:1", user: u, server-id: 1, listen: "127.0.0.1:1", max-connections: -1}
  - {name: three, address: "db:1", user: u, server-id: 1, listen: "127.0.0.1:2", accounts: [{user: r}], listen-tls: {mode: verify-client}, auth-plugin: sha256_password}
  - {name: four, address: "db:1", user: u, server-id: 1, listen: "127.0.0.1:3", accounts: [{user: r}], listen-tls: {cert-file: c, key-file: k, client-ca-file: ca}}
  - {name: server-uuid, address: "db:1", user: u, server-id: 2, listen: "127.0.0.1:4", accounts: [{user: r}]}
`)
	err := c.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"data-dir: must be given", `log.level: "loud"`, `log.format: "xml"`, "http.listen", "sources[0].name", "sources[0].address",
		"sources[0].user", "sources[0].server-id", "sources[0].heartbeat", "sources[0].on-gap", "sources[0].from", "exclude each other",
		"sources[0].listen: must be given", "sources[1].accounts[1].user", "sources[1].accounts[2].user", "sources[2].name",
		"sources[2].listen: 127.0.0.1:1 is also sources[1].listen", "sources[2].max-connections", "sources[2].server-id: 1 is also sources[1].server-id", "sources[2].accounts",
		`sources[3].auth-plugin: "sha256_password" is not one of`,
		`sources[1].listen-tls.mode: "perhaps"`, "sources[1].listen-tls.cert-file", "sources[1].listen-tls.key-file",
		"sources[1].listen-tls.client-ca-file: mode", "sources[3].listen-tls.client-ca-file: must", "sources[4].listen-tls.client-ca-file: mode required",
		`sources[5].name: "server-uuid" is a file`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestWhatIsMissingTwiceIsNotAConflict(t *testing.T) {
	c := parse(t, "sources: [{name: a, address: db, user: u}, {name: b, address: db, user: u}]")
	if err := c.Validate(); err == nil || strings.Contains(err.Error(), "is also") {
		t.Error(err)
	}
}

func TestTLSIsVerifiedByDefaultWhereSomebodyMayStandInBetween(t *testing.T) {
	for source, want := range map[string]dial.SSLMode{
		"address: db1":                           dial.SSLVerifyIdentity,
		`address: "10.0.0.1:3306"`:               dial.SSLVerifyIdentity,
		"address: localhost.example.com":         dial.SSLVerifyIdentity,
		"address: localhost":                     dial.SSLDisabled,
		`address: "127.0.0.3:3306"`:              dial.SSLDisabled,
		`address: "[::1]:3306"`:                  dial.SSLDisabled,
		"address: localhost, ssl-ca: f":          dial.SSLVerifyIdentity,
		"address: db1, ssl-mode: preferred":      dial.SSLPreferred,
		"address: localhost, ssl-mode: required": dial.SSLRequired,
	} {
		if c := parse(t, "sources: [{"+source+"}]"); c.Sources[0].SSLMode != want {
			t.Errorf("%s: %s, want %s", source, c.Sources[0].SSLMode, want)
		}
	}
	for keys, want := range map[string]string{
		"ssl-mode: always":                            `ssl-mode: "always" is not one of`,
		"ssl-mode: required, ssl-ca: f":               "ssl-ca: with ssl-mode required",
		"ssl-mode: verify_ca, ssl-server-name: n":     "ssl-server-name: with ssl-mode verify_ca",
		"ssl-mode: disabled, ssl-cert: c, ssl-key: k": "ssl-cert: it is not shown",
		"ssl-mode: verify_ca, ssl-ca: f, ssl-cert: c": "belong together",
	} {
		if err := parse(t, "sources: [{address: db1, "+keys+"}]").Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", keys, err, want)
		}
	}
}

func TestACertificateAloneRequiresTLS(t *testing.T) {
	for block, want := range map[string]string{
		"": Off, "listen-tls: {}": Off, "listen-tls: {cert-file: c, key-file: k}": "required",
		"listen-tls: {cert-file: c, key-file: k, mode: optional}": "optional", "listen-tls: {cert-file: c, key-file: k, mode: off}": Off,
	} {
		c := parse(t, minimal+"    "+block+"\n")
		if err := c.Validate(); err != nil || c.Sources[0].ListenTLS.Mode != want {
			t.Errorf("%s: mode %s, %v", block, c.Sources[0].ListenTLS.Mode, err)
		}
	}
}

func TestYAMLThatCannotBeReadIsExplainedWithoutGo(t *testing.T) {
	for text, want := range map[string]string{
		"suorces: []":                            `line 1: unknown key "suorces", did you mean "sources"?`,
		"sources: [{pasword-file: f}]":           `unknown key "pasword-file", did you mean "password-file"?`,
		"sources: [{accounts: [{usr: f}]}]":      `unknown key "usr", did you mean "user"?`,
		"sources: [{listen-tls: {certfile: f}}]": `unknown key "certfile", did you mean "cert-file"?`,
		"http: {port: 1}":                        `unknown key "port"`,
		"sources: [{heartbeat: 10}]":             `"10" is not a time such as 10s`,
		"sources: [{server-id: many}]":           `"many" is not a number`,
		"sources: [{server-id: 4294967296}]":     `"4294967296" is not a number that fits`,
		"exit-on-stop: perhaps":                  `"perhaps" is neither true nor false`,
		"sources: bogus":                         "missing",
		"data-dir: /a\n---\ndata-dir: /b\n":      "second document",
		"data-dir: /a\ndata-dir: /b\n":           "already defined",
		"sources: [{password: secret-canary}]":   "unknown key",
	} {
		_, err := Parse(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "config.") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestPortsThatTheSystemChoosesDoNotClash(t *testing.T) {
	c := parse(t, minimal)
	c.HTTP.Listen, c.Sources[0].Listen = "127.0.0.1:0", "127.0.0.1:0"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestSecretsComeFromFilesAndVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	for content, want := range map[string]string{"s3": "s3", "s3\n": "s3", "s3\r\n": "s3", " s3 \n\n": " s3 \n", "": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := (SecretRef{File: file}).Read(); err != nil || got != want {
			t.Errorf("%q is read as %q, %v", content, got, err)
		}
	}
	t.Setenv("A_SECRET", "from the environment")
	if got, err := (SecretRef{Env: "A_SECRET"}).Read(); err != nil || got != "from the environment" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := (SecretRef{Env: "NO_SUCH_SECRET"}).Read(); err == nil || !strings.Contains(err.Error(), "NO_SUCH_SECRET") {
		t.Error(err)
	}
	if got, err := (SecretRef{}).Read(); got != "" || err != nil || (SecretRef{}).Set() {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEveryKeyOfASourceSaysWhatAChangeOfItTouches(t *testing.T) {
	before := parse(t, minimal).Sources[0]
	for _, c := range []struct {
		edit func(*Source)
		want Change
		key  string
	}{
		{func(s *Source) {}, 0, ""},
		{func(s *Source) { s.Address = "other:3306" }, Reconnect, "address"},
		{func(s *Source) { s.Password.File = "f" }, Reconnect, "password"},
		{func(s *Source) { s.Listen = "127.0.0.1:1" }, Relisten, "listen"},
		{func(s *Source) { s.Accounts = []Account{{User: "x"}} }, 0, "accounts"},
	} {
		after := before
		c.edit(&after)
		change, keys := before.Changes(after)
		if change != c.want || strings.Join(keys, " ") != c.key {
			t.Errorf("%q: %b %q", c.key, change, keys)
		}
	}
	source := reflect.TypeFor[Source]()
	for i := range source.NumField() {
		if _, ok := changes[source.Field(i).Tag.Get("reload")]; !ok {
			t.Errorf("%s has no tag reload that Changes knows", source.Field(i).Name)
		}
	}
}
