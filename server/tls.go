package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLSMode says which clients must use TLS. Without a *TLS it is not offered.
type TLSMode string

const (
	// TLSOptional leaves it to the client.
	TLSOptional TLSMode = "optional"
	// TLSRequired refuses a client without TLS, with error 3159.
	TLSRequired TLSMode = "required"
	// TLSVerifyClient is TLSRequired, and the client must show a certificate of a
	// configured authority. It does not take the place of the password.
	TLSVerifyClient TLSMode = "verify-client"
)

// TLSFiles are PEM files. ClientCA goes with TLSVerifyClient and with no other mode.
type TLSFiles struct{ Cert, Key, ClientCA string }

// TLS is how a server speaks TLS, version 1.2 at least. It does not change; a
// Server is given another one by Reload.
type TLS struct {
	mode   TLSMode
	config *tls.Config
}

// LoadTLS reads the files, whose names are in the error, all mistakes at once.
func LoadTLS(mode TLSMode, files TLSFiles) (*TLS, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Chunks are large from the first one on; small records would cost more than they save.
		DynamicRecordSizingDisabled: true,
	}
	var errs []error
	certificate, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		errs = append(errs, fmt.Errorf("certificate %s with key %s: %w", files.Cert, files.Key, err))
	}
	config.Certificates = []tls.Certificate{certificate}
	switch {
	case mode == TLSVerifyClient:
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs, err = loadAuthorities(files.ClientCA)
		errs = append(errs, err)
	case mode != TLSOptional && mode != TLSRequired:
		errs = append(errs, fmt.Errorf("unknown mode %q", mode))
	case files.ClientCA != "":
		errs = append(errs, fmt.Errorf("client authority %s: mode %s does not ask for client certificates", files.ClientCA, mode))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return &TLS{mode, config}, nil
}

func loadAuthorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("client authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client authority %s: no certificate in PEM in it", path)
	}
	return pool, nil
}

// cipherNames are OpenSSL's, which mysqld shows, of the suites that both know by
// different names. Those of TLS 1.3 have one name.
var cipherNames = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          "ECDHE-ECDSA-AES128-SHA",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:          "ECDHE-ECDSA-AES256-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            "ECDHE-RSA-AES128-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:            "ECDHE-RSA-AES256-SHA",
}

// tlsRequired is @@require_secure_transport.
func (s *session) tlsRequired() string {
	if t := s.server.settings.Load().tls; t != nil && t.mode != TLSOptional {
		return "ON"
	}
	return "OFF"
}

// haveTLS is @@have_ssl.
func (s *session) haveTLS() string {
	if s.server.settings.Load().tls == nil {
		return "DISABLED"
	}
	return "YES"
}

// tlsStatus are the values of Ssl_cipher and Ssl_version, empty without TLS.
func (s *session) tlsStatus() (cipher, version string) {
	if s.nc.secured == nil {
		return "", ""
	}
	state := s.nc.secured.ConnectionState()
	cipher, known := cipherNames[state.CipherSuite]
	if !known {
		cipher = tls.CipherSuiteName(state.CipherSuite)
	}
	version = "TLSv1.3"
	if state.Version == tls.VersionTLS12 {
		version = "TLSv1.2"
	}
	return cipher, version
}
