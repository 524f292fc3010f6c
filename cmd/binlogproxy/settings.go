package main

import (
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/server"
)

// settings are the configuration of one source with all that it refers to, read
// when the configuration was.
type settings struct {
	config.Source
	password dial.Secret
	accounts []server.Account // none when listening is off
	tls      *server.TLS      // nil when that, or TLS, is off
}

// readSettings reads what the sources of a configuration refer to. All mistakes are
// reported at once, as a usageError.
func readSettings(c *config.Config) ([]settings, error) {
	all := make([]settings, len(c.Sources))
	var mistakes []error
	for i, source := range c.Sources {
		all[i].Source = source
		for _, err := range all[i].read() {
			if err != nil {
				mistakes = append(mistakes, fmt.Errorf("source %s: %w", source.Name, err))
			}
		}
	}
	if len(mistakes) > 0 {
		return nil, &usageError{errors.Join(mistakes...)}
	}
	return all, nil
}

// read returns what was wrong, and nil for what was not.
func (s *settings) read() []error {
	password, err := s.Password.Read()
	s.password = dial.Secret(password)
	mistakes := []error{err, s.TLS().Check()}
	if s.Listen != config.Off {
		s.tls, err = loadTLS(s.ListenTLS)
		mistakes = append(mistakes, err)
		for _, c := range s.Accounts {
			account, err := readAccount(c)
			mistakes = append(mistakes, err)
			s.accounts = append(s.accounts, account)
		}
	}
	return mistakes
}

// readAccount turns a password into verifiers; an account without one keeps the
// verifiers that are stored.
func readAccount(c config.Account) (server.Account, error) {
	if !c.Password.Set() {
		return server.KeptAccount(c.User, server.ReplicationSlave), nil
	}
	password, err := c.Password.Read()
	if err != nil {
		return server.Account{}, fmt.Errorf("account %q: %w", c.User, err)
	}
	return server.NewAccount(c.User, []byte(password), server.ReplicationSlave)
}

// loadTLS reads the files of a listener; nil where TLS is off.
func loadTLS(c config.ListenTLS) (*server.TLS, error) {
	if c.Mode == config.Off {
		return nil, nil
	}
	tls, err := server.LoadTLS(server.TLSMode(c.Mode), server.TLSFiles{Cert: c.CertFile, Key: c.KeyFile, ClientCA: c.ClientCAFile})
	if err != nil {
		return nil, fmt.Errorf("listen-tls: %w", err)
	}
	return tls, nil
}
