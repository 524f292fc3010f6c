// Package config is binlogproxy's configuration: one struct, one function that
// fills in defaults, one that reports every mistake at once. Unknown keys are
// mistakes. Secrets stand in files or in the environment, never in the
// configuration itself.
package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/suggest"
)

// Config is everything that a daemon is told.
type Config struct {
	DataDir    string   `yaml:"data-dir"`     // where the logs are kept, one folder a source; must be given
	ExitOnStop bool     `yaml:"exit-on-stop"` // end the process when a source stops for good; default: go on serving
	Log        Log      `yaml:"log"`
	HTTP       HTTP     `yaml:"http"`
	Bucket     Bucket   `yaml:"bucket"`
	Sources    []Source `yaml:"sources"` // at least one
}

// Log says what is logged, on standard error.
type Log struct {
	Level  string `yaml:"level"`  // debug, info (default), warn, error
	Format string `yaml:"format"` // text (default), json
}

// HTTP is the listener of /metrics, /livez, /readyz and /status.
type HTTP struct {
	Listen string `yaml:"listen"` // host:port; default 127.0.0.1:9851; "off": none
}

// Source is one primary that is followed, kept and served. The tag reload says what
// a change of the key does to a source that runs: see Changes.
type Source struct {
	Name             string        `yaml:"name" reload:"new"`                   // folder under data-dir and label of metrics; default "main"
	Address          string        `yaml:"address" reload:"reconnect"`          // host:port of the primary; must be given
	User             string        `yaml:"user" reload:"reconnect"`             // at the primary; must be given
	Password         SecretRef     `yaml:",inline" reload:"reconnect"`          // password-file or password-env; neither: no password
	SSLMode          dial.SSLMode  `yaml:"ssl-mode" reload:"reconnect"`         // TLS to the primary: disabled, preferred, required, verify_ca, verify_identity; default verify_identity, on loopback disabled unless ssl-ca is given
	SSLCA            string        `yaml:"ssl-ca" reload:"reconnect"`           // file of the authorities that are trusted, PEM; default: the system's
	SSLCert          string        `yaml:"ssl-cert" reload:"reconnect"`         // file of our certificate, PEM, for an account with REQUIRE X509; default: none
	SSLKey           string        `yaml:"ssl-key" reload:"reconnect"`          // file of its key, PEM
	SSLServerName    string        `yaml:"ssl-server-name" reload:"reconnect"`  // name that the primary's certificate must have; default: the host in address
	ServerID         uint32        `yaml:"server-id" reload:"reconnect"`        // ours as a replica, unique among all replicas; must be given, not 0
	ReportHost       string        `yaml:"report-host" reload:"reconnect"`      // shown by SHOW REPLICAS at the primary; default: empty
	From             string        `yaml:"from" reload:"reconnect"`             // where an empty archive begins: oldest (default), newest or a file name
	OnGap            string        `yaml:"on-gap" reload:"reconnect"`           // when the primary has purged what is missing: continue (default), stop
	Heartbeat        time.Duration `yaml:"heartbeat" reload:"reconnect"`        // period asked of the primary; default 10s
	ConnectTimeout   time.Duration `yaml:"connect-timeout" reload:"reconnect"`  // default 10s
	ReconnectMax     time.Duration `yaml:"reconnect-max" reload:"reconnect"`    // longest pause between tries; default 30s
	Listen           string        `yaml:"listen" reload:"relisten"`            // host:port where downstreams connect; default 127.0.0.1:3307; "off": none
	ListenTLS        ListenTLS     `yaml:"listen-tls" reload:"in-place"`        // how they may or must hide what they say
	Accounts         []Account     `yaml:"accounts" reload:"in-place"`          // who may connect there; at least one unless listen is off
	AuthPlugin       string        `yaml:"auth-plugin" reload:"relisten"`       // that the greeting names: caching_sha2_password (default), mysql_native_password; accounts work with both
	MaxConnections   int           `yaml:"max-connections" reload:"in-place"`   // of downstreams at once; default 1024
	AdvertiseVersion string        `yaml:"advertise-version" reload:"relisten"` // server version in the greeting; default: the primary's
}

// Account is a downstream's login.
type Account struct {
	User     string    `yaml:"user"`
	Password SecretRef `yaml:",inline"`
}

// SecretRef says where a secret stands. At most one of both is set.
type SecretRef struct {
	File string `yaml:"password-file"` // a file whose content, less a final newline, is the password
	Env  string `yaml:"password-env"`  // the name of an environment variable
}

// Set reports whether the reference names a place.
func (r SecretRef) Set() bool { return r.File != "" || r.Env != "" }

// Read returns the secret; empty where none is referred to.
func (r SecretRef) Read() (string, error) {
	switch {
	case r.File != "":
		b, err := os.ReadFile(r.File)
		if err != nil {
			return "", fmt.Errorf("password file: %w", err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
	case r.Env != "":
		value, ok := os.LookupEnv(r.Env)
		if !ok {
			return "", fmt.Errorf("the environment has no variable %s for a password", r.Env)
		}
		return value, nil
	}
	return "", nil
}

// Load reads a YAML file. Unknown keys are errors; defaults are not filled in yet.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse reads YAML. An empty input is an empty configuration.
func Parse(r io.Reader) (*Config, error) {
	var c Config
	decoder := yaml.NewDecoder(r)
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, plainWords(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is a second document, behind a line of ---: only one is read")
	}
	return &c, nil
}

// plainWords says in the operator's words what the YAML library says in Go's.
func plainWords(err error) error {
	text := unknownKey.ReplaceAllStringFunc(err.Error(), func(text string) string {
		parts := unknownKey.FindStringSubmatch(text)
		return `unknown key "` + parts[1] + `"` + suggest.DidYouMean(parts[1], keysOf(parts[2]))
	})
	for _, r := range plain {
		text = r.goes.ReplaceAllString(text, r.plain)
	}
	return errors.New(text)
}

var unknownKey = regexp.MustCompile(`field (\S+) not found in type config\.(\w+)`)

var plain = []struct {
	goes  *regexp.Regexp
	plain string
}{
	{regexp.MustCompile("cannot unmarshal !!\\w+ `(.*)` into time\\.Duration"), `"$1" is not a time such as 10s`},
	{regexp.MustCompile("cannot unmarshal !!\\w+ `(.*)` into u?int\\d*"), `"$1" is not a number that fits`},
	{regexp.MustCompile("cannot unmarshal !!\\w+ `(.*)` into bool"), `"$1" is neither true nor false`},
	{regexp.MustCompile("cannot unmarshal !!\\w+( `.*`)? into (\\[\\]|config\\.)\\w+(\\.\\w+)?"), "the keys of this entry, or its list, are missing"},
}

// Default values.
const (
	DefaultHTTPListen     = "127.0.0.1:9851"
	DefaultListen         = "127.0.0.1:3307"
	DefaultHeartbeat      = 10 * time.Second
	DefaultConnectTimeout = 10 * time.Second
	DefaultReconnectMax   = 30 * time.Second
	DefaultMaxConnections = 1024
	// UUIDFile is the file in data-dir that holds our server_uuid.
	UUIDFile = "server-uuid"
	// Off as a listen address opens no listener; as a mode of TLS it offers none.
	Off = "off"
)

// FillDefaults sets every field that was left out.
func (c *Config) FillDefaults() {
	setDefault(&c.Log.Level, "info")
	setDefault(&c.Log.Format, "text")
	setDefault(&c.HTTP.Listen, DefaultHTTPListen)
	c.Bucket.fillDefaults()
	for i := range c.Sources {
		s := &c.Sources[i]
		if len(c.Sources) == 1 {
			setDefault(&s.Name, "main")
			setDefault(&s.Listen, DefaultListen)
		}
		s.Address = withPort(s.Address)
		setDefault(&s.SSLMode, defaultSSLMode(s))
		if s.ListenTLS != (ListenTLS{}) {
			setDefault(&s.ListenTLS.Mode, "required")
		}
		setDefault(&s.ListenTLS.Mode, Off)
		setDefault(&s.From, "oldest")
		setDefault(&s.OnGap, "continue")
		setDefault(&s.Heartbeat, DefaultHeartbeat)
		setDefault(&s.ConnectTimeout, DefaultConnectTimeout)
		setDefault(&s.ReconnectMax, DefaultReconnectMax)
		setDefault(&s.AuthPlugin, "caching_sha2_password")
		setDefault(&s.MaxConnections, DefaultMaxConnections)
	}
}

// withPort adds MySQL's port to a host name or address without one.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err != nil && address != "" && !strings.Contains(address, ":") {
		return net.JoinHostPort(address, "3306")
	}
	return address
}

// TLS says how the primary is reached.
func (s *Source) TLS() dial.TLS {
	return dial.TLS{Mode: s.SSLMode, CA: s.SSLCA, Cert: s.SSLCert, Key: s.SSLKey, ServerName: s.SSLServerName}
}

// defaultSSLMode is what cannot be attacked: nobody stands in between on loopback.
func defaultSSLMode(s *Source) dial.SSLMode {
	host, _, _ := net.SplitHostPort(s.Address) // Validate reports a bad one
	if (host == "localhost" || net.ParseIP(host).IsLoopback()) && s.SSLCA == "" {
		return dial.SSLDisabled
	}
	return dial.SSLVerifyIdentity
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
