package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/internal/suggest"
)

// runFlags cover one source completely; several sources, or several accounts of
// one, need a file. A flag wins over its environment variable, that over the file.
// Passwords are never flags: a command line can be read by everyone.
type runFlags struct {
	Config         string        `help:"YAML file; flags and environment change its one source." type:"path" placeholder:"FILE" env:"BINLOGPROXY_CONFIG"`
	DataDir        string        `help:"Where the logs are kept." type:"path" placeholder:"DIR" env:"BINLOGPROXY_DATA_DIR"`
	Name           string        `help:"Name of the source: its folder in the data directory, its label in metrics (default main)." env:"BINLOGPROXY_NAME"`
	Source         string        `help:"Address of the primary to follow." placeholder:"HOST:PORT" env:"BINLOGPROXY_SOURCE"`
	User           string        `help:"User at the primary; its password is in --password-file or $$BINLOGPROXY_PASSWORD." env:"BINLOGPROXY_USER"`
	PasswordFile   string        `help:"File with that password." type:"path" placeholder:"FILE" env:"BINLOGPROXY_PASSWORD_FILE"`
	SSLMode        dial.SSLMode  `name:"ssl-mode" help:"TLS to the primary: disabled, preferred, required, verify_ca or verify_identity (default; on loopback disabled)." placeholder:"MODE" env:"BINLOGPROXY_SSL_MODE"`
	SSLCA          string        `name:"ssl-ca" help:"File of the authorities that are trusted (default: the system's)." type:"path" placeholder:"FILE" env:"BINLOGPROXY_SSL_CA"`
	SSLCert        string        `name:"ssl-cert" help:"File of our own certificate, for an account with REQUIRE X509." type:"path" placeholder:"FILE" env:"BINLOGPROXY_SSL_CERT"`
	SSLKey         string        `name:"ssl-key" help:"File of its key." type:"path" placeholder:"FILE" env:"BINLOGPROXY_SSL_KEY"`
	SSLServerName  string        `name:"ssl-server-name" help:"Name that the primary's certificate must have (default: the host of --source)." placeholder:"NAME" env:"BINLOGPROXY_SSL_SERVER_NAME"`
	ServerID       uint32        `help:"Our own server_id, unique among all servers and replicas." placeholder:"N" env:"BINLOGPROXY_SERVER_ID"`
	ReportHost     string        `help:"Host name shown by SHOW REPLICAS at the primary." placeholder:"NAME" env:"BINLOGPROXY_REPORT_HOST"`
	From           string        `help:"Where an empty archive begins: oldest (default), newest or a file name." placeholder:"WHERE" env:"BINLOGPROXY_FROM"`
	OnGap          string        `help:"When the primary has purged what is missing: continue with a recorded gap (default) or stop." placeholder:"continue|stop" env:"BINLOGPROXY_ON_GAP"`
	Heartbeat      time.Duration `help:"Heartbeat period asked of the primary (default 10s)." placeholder:"TIME" env:"BINLOGPROXY_HEARTBEAT"`
	ConnectTimeout time.Duration `help:"Limit for connecting to the primary and for each statement there (default 10s)." placeholder:"TIME" env:"BINLOGPROXY_CONNECT_TIMEOUT"`
	ReconnectMax   time.Duration `help:"Longest pause between two tries to connect (default 30s)." placeholder:"TIME" env:"BINLOGPROXY_RECONNECT_MAX"`
	Listen         string        `help:"Where downstreams connect (default 127.0.0.1:3307), or off." placeholder:"HOST:PORT" env:"BINLOGPROXY_LISTEN"`
	ListenUser     string        `help:"User for downstreams; its password is in --listen-password-file or $$BINLOGPROXY_LISTEN_PASSWORD." placeholder:"USER" env:"BINLOGPROXY_LISTEN_USER"`
	ListenPassFile string        `name:"listen-password-file" help:"File with that password." type:"path" placeholder:"FILE" env:"BINLOGPROXY_LISTEN_PASSWORD_FILE"`
	AuthPlugin     string        `help:"Authentication plug-in that downstreams are greeted with: caching_sha2_password (default) or mysql_native_password." placeholder:"NAME" env:"BINLOGPROXY_AUTH_PLUGIN"`
	ListenTLS      string        `name:"listen-tls" help:"TLS for downstreams: off, optional, required or verify-client (default required where there is a certificate, else off)." placeholder:"MODE" env:"BINLOGPROXY_LISTEN_TLS"`
	ListenTLSCert  string        `name:"listen-tls-cert-file" help:"Certificate with its chain, PEM." type:"path" placeholder:"FILE" env:"BINLOGPROXY_LISTEN_TLS_CERT_FILE"`
	ListenTLSKey   string        `name:"listen-tls-key-file" help:"Key of the certificate, PEM." type:"path" placeholder:"FILE" env:"BINLOGPROXY_LISTEN_TLS_KEY_FILE"`
	ListenTLSCA    string        `name:"listen-tls-client-ca-file" help:"Who signs the clients' certificates, PEM; for verify-client." type:"path" placeholder:"FILE" env:"BINLOGPROXY_LISTEN_TLS_CLIENT_CA_FILE"`
	MaxConnections int           `help:"Downstream connections at once (default 1024)." placeholder:"N" env:"BINLOGPROXY_MAX_CONNECTIONS"`
	Advertise      string        `name:"advertise-version" help:"Server version told to downstreams (default: the primary's)." placeholder:"VERSION" env:"BINLOGPROXY_ADVERTISE_VERSION"`
	Bucket         string        `help:"Object storage for the lasting copy: s3://bucket/prefix?region=... or file:///directory (default: none)." placeholder:"URL" env:"BINLOGPROXY_BUCKET"`
	PieceInterval  time.Duration `help:"How long what was received may wait before it is in the bucket (default 5s)." placeholder:"TIME" env:"BINLOGPROXY_PIECE_INTERVAL"`
	Lease          time.Duration `help:"How long a writer of the bucket that is gone keeps others out (default 30s)." placeholder:"TIME" env:"BINLOGPROXY_LEASE"`
	LocalSize      config.Size   `help:"Remove the oldest local files that are in the bucket while there is more than this (default: keep all)." placeholder:"SIZE" env:"BINLOGPROXY_LOCAL_SIZE"`
	LocalAge       time.Duration `help:"Remove local files that are in the bucket when they are older (default: keep all)." placeholder:"TIME" env:"BINLOGPROXY_LOCAL_AGE"`
	LocalLimit     config.Size   `help:"Stop receiving where local files that are not in the bucket reach this (default: as far as the disk goes)." placeholder:"SIZE" env:"BINLOGPROXY_LOCAL_LIMIT"`
	CacheSize      config.Size   `help:"Disk for what was read from the bucket (default 1GiB)." placeholder:"SIZE" env:"BINLOGPROXY_CACHE_SIZE"`
	HTTPListen     string        `name:"http-listen" help:"Where /metrics, /livez, /readyz and /status are (default 127.0.0.1:9851), or off." placeholder:"HOST:PORT" env:"BINLOGPROXY_HTTP_LISTEN"`
	LogLevel       string        `help:"debug, info (default), warn or error." placeholder:"LEVEL" env:"BINLOGPROXY_LOG_LEVEL"`
	LogFormat      string        `help:"text (default) or json." placeholder:"FORMAT" env:"BINLOGPROXY_LOG_FORMAT"`
	ExitOnStop     *bool         `help:"End the process when the source stops for good, instead of going on to serve." env:"BINLOGPROXY_EXIT_ON_STOP"`
}

// Environment variables that hold passwords when no file is named.
const (
	passwordVariable       = "BINLOGPROXY_PASSWORD"
	listenPasswordVariable = "BINLOGPROXY_LISTEN_PASSWORD"
)

// configuration merges file, environment and flags, fills in defaults and checks
// everything. Its errors are usageErrors.
func (f *runFlags) configuration() (*config.Config, error) {
	c, err := f.merged()
	if err != nil {
		return nil, err
	}
	c.FillDefaults()
	if err := errors.Join(unknownVariables(c, os.Environ()), c.Validate()); err != nil {
		return nil, &usageError{fmt.Errorf("configuration:\n%w", err)}
	}
	return c, nil
}

// unknownVariables reports the variables of the environment that are probably meant
// for us and misspelt. Others with our prefix are not ours: Kubernetes sets some for
// a service of our name, and the configuration may name some for passwords.
func unknownVariables(c *config.Config, environment []string) error {
	const prefix = "BINLOGPROXY_"
	known := []string{passwordVariable, listenPasswordVariable}
	flags := reflect.TypeFor[runFlags]()
	for i := range flags.NumField() {
		known = append(known, flags.Field(i).Tag.Get("env"))
	}
	allowed := slices.Clone(known)
	for _, s := range c.Sources {
		allowed = append(allowed, s.Password.Env)
		for _, a := range s.Accounts {
			allowed = append(allowed, a.Password.Env)
		}
	}
	for i, k := range known {
		known[i] = strings.TrimPrefix(k, prefix)
	}
	var mistakes []error
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		ours, found := strings.CutPrefix(name, prefix)
		if !found || slices.Contains(allowed, name) {
			continue
		}
		if meant := suggest.Word(ours, known); meant != "" {
			mistakes = append(mistakes, fmt.Errorf("environment: unknown variable %s, did you mean %s%s?", name, prefix, meant))
		}
	}
	return errors.Join(mistakes...)
}

// merged is what file, environment and flags say together, unchecked.
func (f *runFlags) merged() (*config.Config, error) {
	c := &config.Config{}
	if f.Config != "" {
		var err error
		if c, err = config.Load(f.Config); err != nil {
			return nil, &usageError{err}
		}
	}
	if err := f.apply(c); err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

func (f *runFlags) apply(c *config.Config) error {
	override(&c.DataDir, f.DataDir)
	override(&c.HTTP.Listen, f.HTTPListen)
	override(&c.Log.Level, f.LogLevel)
	override(&c.Log.Format, f.LogFormat)
	f.applyBucket(&c.Bucket)
	if f.ExitOnStop != nil {
		c.ExitOnStop = *f.ExitOnStop
	}
	switch {
	case len(c.Sources) == 1:
	case !f.namesSource():
		return nil
	case len(c.Sources) == 0:
		c.Sources = make([]config.Source, 1)
	default:
		return fmt.Errorf("%s names %d sources: flags and variables for one source cannot change them", f.Config, len(c.Sources))
	}
	return f.applySource(&c.Sources[0])
}

func (f *runFlags) applyBucket(b *config.Bucket) {
	override(&b.URL, f.Bucket)
	override(&b.PieceInterval, f.PieceInterval)
	override(&b.Lease, f.Lease)
	override(&b.LocalSize, f.LocalSize)
	override(&b.LocalAge, f.LocalAge)
	override(&b.LocalLimit, f.LocalLimit)
	override(&b.CacheSize, f.CacheSize)
}

func (f *runFlags) namesSource() bool {
	plain := *f
	plain.Bucket, plain.PieceInterval, plain.Lease, plain.LocalSize, plain.LocalAge, plain.LocalLimit, plain.CacheSize = "", 0, 0, 0, 0, 0, 0
	plain.Config, plain.DataDir, plain.HTTPListen, plain.LogLevel, plain.LogFormat, plain.ExitOnStop = "", "", "", "", "", nil
	return plain != runFlags{}
}

func (f *runFlags) applySource(s *config.Source) error {
	override(&s.Name, f.Name)
	override(&s.Address, f.Source)
	override(&s.User, f.User)
	override(&s.SSLMode, f.SSLMode)
	override(&s.SSLCA, f.SSLCA)
	override(&s.SSLCert, f.SSLCert)
	override(&s.SSLKey, f.SSLKey)
	override(&s.SSLServerName, f.SSLServerName)
	override(&s.ServerID, f.ServerID)
	override(&s.ReportHost, f.ReportHost)
	override(&s.From, f.From)
	override(&s.OnGap, f.OnGap)
	override(&s.Heartbeat, f.Heartbeat)
	override(&s.ConnectTimeout, f.ConnectTimeout)
	override(&s.ReconnectMax, f.ReconnectMax)
	override(&s.Listen, f.Listen)
	override(&s.AuthPlugin, f.AuthPlugin)
	override(&s.ListenTLS.Mode, f.ListenTLS)
	override(&s.ListenTLS.CertFile, f.ListenTLSCert)
	override(&s.ListenTLS.KeyFile, f.ListenTLSKey)
	override(&s.ListenTLS.ClientCAFile, f.ListenTLSCA)
	override(&s.MaxConnections, f.MaxConnections)
	override(&s.AdvertiseVersion, f.Advertise)
	overrideSecret(&s.Password, f.PasswordFile, passwordVariable)
	if f.ListenUser != "" {
		if len(s.Accounts) > 0 {
			return fmt.Errorf("--listen-user: %s has accounts of its own", f.Config)
		}
		s.Accounts = []config.Account{{User: f.ListenUser}}
	}
	switch {
	case len(s.Accounts) == 1:
		overrideSecret(&s.Accounts[0].Password, f.ListenPassFile, listenPasswordVariable)
	case f.ListenPassFile != "":
		return fmt.Errorf("--listen-password-file: it is for one account, and there are %d", len(s.Accounts))
	}
	return nil
}

func override[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

// overrideSecret points ref to a file given by flag, else, where nothing is
// configured, to the environment variable if that is set.
func overrideSecret(ref *config.SecretRef, file, variable string) {
	if file != "" {
		*ref = config.SecretRef{File: file}
		return
	}
	if _, ok := os.LookupEnv(variable); ok && !ref.Set() {
		*ref = config.SecretRef{Env: variable}
	}
}
