package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replication"
)

var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// Validate returns every mistake at once, each naming its key. It expects
// FillDefaults to have run.
func (c *Config) Validate() error {
	var errs mistakes
	errs.need("data-dir", c.DataDir)
	errs.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	errs.oneOf("log.format", c.Log.Format, "text", "json")
	errs.address("http.listen", c.HTTP.Listen, true)
	c.Bucket.validate(&errs)
	if len(c.Sources) == 0 {
		errs.add("sources: at least one is needed (flags: --source and its neighbours)")
	}
	names := map[string]bool{}
	ids := map[string]string{}
	listens := map[string]string{c.HTTP.Listen: "http.listen"}
	for i := range c.Sources {
		s := &c.Sources[i]
		key := "sources[" + strconv.Itoa(i) + "]"
		s.validate(&errs, key)
		if names[s.Name] {
			errs.add("%s.name: %q is there twice", key, s.Name)
		}
		names[s.Name] = true
		id := s.Address + " " + strconv.FormatUint(uint64(s.ServerID), 10)
		if other, taken := ids[id]; taken && s.ServerID != 0 {
			errs.add("%s.server-id: %d is also %s, at the same address", key, s.ServerID, other)
		}
		ids[id] = key + ".server-id"
		if other, taken := listens[s.Listen]; taken && s.Listen != "" && s.Listen != Off && !strings.HasSuffix(s.Listen, ":0") {
			errs.add("%s.listen: %s is also %s", key, s.Listen, other)
		}
		listens[s.Listen] = key + ".listen"
	}
	return errors.Join(errs...)
}

func (s *Source) validate(errs *mistakes, key string) {
	if !sourceName.MatchString(s.Name) {
		errs.add("%s.name: %q: letters, digits, '-' and '_', at most 64, are allowed", key, s.Name)
	}
	if s.Name == UUIDFile {
		errs.add("%s.name: %q is a file of ours in the data directory", key, s.Name)
	}
	errs.address(key+".address", s.Address, false)
	errs.need(key+".user", s.User)
	s.Password.validate(errs, key)
	s.validateTLS(errs, key)
	if s.ServerID == 0 {
		errs.add("%s.server-id: must be given, 1 to 4294967295, and be unique among all servers and replicas", key)
	}
	if s.From != "oldest" && s.From != "newest" && replication.ValidFileName(s.From) != nil {
		errs.add("%s.from: %q is neither oldest, newest nor a binlog file's name", key, s.From)
	}
	errs.oneOf(key+".on-gap", s.OnGap, "continue", "stop")
	errs.atLeast(key+".heartbeat", s.Heartbeat, time.Millisecond)
	errs.atLeast(key+".connect-timeout", s.ConnectTimeout, time.Millisecond)
	errs.atLeast(key+".reconnect-max", s.ReconnectMax, time.Millisecond)
	if s.MaxConnections < 1 {
		errs.add("%s.max-connections: %d: at least 1 is needed", key, s.MaxConnections)
	}
	errs.address(key+".listen", s.Listen, true)
	if s.Listen == Off {
		return
	}
	if len(s.Accounts) == 0 {
		errs.add("%s.accounts: at least one is needed so that downstreams can log in (or listen: off)", key)
	}
	errs.oneOf(key+".auth-plugin", s.AuthPlugin, "caching_sha2_password", "mysql_native_password")
	s.ListenTLS.validate(errs, key+".listen-tls")
	users := map[string]bool{}
	for i, a := range s.Accounts {
		account := fmt.Sprintf("%s.accounts[%d]", key, i)
		errs.need(account+".user", a.User)
		a.Password.validate(errs, account)
		if users[a.User] {
			errs.add("%s.user: %q is there twice", account, a.User)
		}
		users[a.User] = true
	}
}

func (s *Source) validateTLS(errs *mistakes, key string) {
	switch {
	case !slices.Contains(dial.SSLModes, s.SSLMode):
		errs.add("%s.ssl-mode: %q is not one of %q", key, s.SSLMode, dial.SSLModes)
	case s.SSLCA != "" && !s.SSLMode.Verifies():
		errs.add("%s.ssl-ca: with ssl-mode %s no certificate is checked: %s and %s do", key, s.SSLMode, dial.SSLVerifyCA, dial.SSLVerifyIdentity)
	case s.SSLServerName != "" && s.SSLMode != dial.SSLVerifyIdentity:
		errs.add("%s.ssl-server-name: with ssl-mode %s no name is checked: %s does", key, s.SSLMode, dial.SSLVerifyIdentity)
	case s.SSLCert != "" && s.SSLMode == dial.SSLDisabled:
		errs.add("%s.ssl-cert: it is not shown with ssl-mode %s", key, s.SSLMode)
	}
	if (s.SSLCert == "") != (s.SSLKey == "") {
		errs.add("%s: ssl-cert and ssl-key belong together", key)
	}
}

func (r SecretRef) validate(errs *mistakes, key string) {
	if r.File != "" && r.Env != "" {
		errs.add("%s: password-file and password-env exclude each other", key)
	}
}

// mistakes collects errors.
type mistakes []error

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Errorf(format, args...)) }

func (m *mistakes) need(key, value string) {
	if value == "" {
		m.add("%s: must be given", key)
	}
}

func (m *mistakes) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		m.add("%s: %q is not one of %q", key, value, allowed)
	}
}

func (m *mistakes) atLeast(key string, value, least time.Duration) {
	if value < least {
		m.add("%s: %s is below %s", key, value, least)
	}
}

func (m *mistakes) address(key, value string, mayBeOff bool) {
	if mayBeOff && value == Off {
		return
	}
	if value == "" {
		m.add("%s: must be given", key)
		return
	}
	host, port, err := net.SplitHostPort(value)
	if err == nil {
		var n int
		if n, err = strconv.Atoi(port); err == nil && (n < 0 || n > 65535) {
			err = fmt.Errorf("port %d", n)
		}
	}
	if err != nil || (host == "" && !mayBeOff) {
		m.add("%s: %q is not HOST:PORT", key, value)
	}
}
