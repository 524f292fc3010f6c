package dial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// SSLMode is what a connection demands of TLS, in the words of MySQL's own clients.
type SSLMode string

const (
	SSLDisabled       SSLMode = "disabled"        // no TLS
	SSLPreferred      SSLMode = "preferred"       // TLS if the server offers it, which who stands in between can prevent
	SSLRequired       SSLMode = "required"        // TLS, with whoever answers
	SSLVerifyCA       SSLMode = "verify_ca"       // and a certificate of an authority that is trusted
	SSLVerifyIdentity SSLMode = "verify_identity" // which names the server
)

// SSLModes are all of them, the weakest first.
var SSLModes = []SSLMode{SSLDisabled, SSLPreferred, SSLRequired, SSLVerifyCA, SSLVerifyIdentity}

// Verifies says that a server must prove who it is.
func (m SSLMode) Verifies() bool { return m == SSLVerifyCA || m == SSLVerifyIdentity }

// TLS says how a connection is protected, with version 1.2 at least. Its files
// are PEM and are read anew for every connection. The zero value is SSLDisabled.
type TLS struct {
	Mode       SSLMode
	CA         string // file of the authorities that are trusted; "" = those of the system
	Cert, Key  string // files of our own certificate, for accounts with REQUIRE X509; "" = none
	ServerName string // that the server's certificate must have; "" = the host of the address
}

// Check reports whether the files can be used.
func (t TLS) Check() error {
	_, _, err := t.load()
	return err
}

// shown names the certificate that we show.
func (t TLS) shown() string {
	if t.Cert == "" {
		return ", who show no certificate (ssl-cert)"
	}
	return ", who show the certificate " + t.Cert
}

// load reads the files: the authorities (nil: the system's) and our certificate.
func (t TLS) load() (roots *x509.CertPool, own []tls.Certificate, err error) {
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, nil, fmt.Errorf("ssl-ca: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("ssl-ca: %s holds no certificate in PEM", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, nil, fmt.Errorf("ssl-cert %s with ssl-key %s: %w", t.Cert, t.Key, err)
		}
		own = []tls.Certificate{pair}
	}
	return roots, own, nil
}

// config makes the configuration of one connection to addr, nil for none. What
// makes it refuse the server's certificate goes to refused.
func (t TLS) config(addr string, refused *error) (*tls.Config, error) {
	if t.Mode == SSLDisabled || t.Mode == "" {
		return nil, nil
	}
	roots, own, err := t.load()
	if err != nil {
		return nil, err
	}
	v := verifier{tls: t, roots: roots, name: t.ServerName}
	if host, _, err := net.SplitHostPort(addr); err == nil && v.name == "" {
		v.name = host
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: v.name, Certificates: own,
		// crypto/tls verifies chain and name together or neither: the verifier does it.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			*refused = v.verify(state.PeerCertificates)
			return *refused
		},
	}, nil
}

// verifier decides whether a server's certificate is good enough.
type verifier struct {
	tls   TLS
	roots *x509.CertPool
	name  string
}

func (v *verifier) verify(chain []*x509.Certificate) error {
	if !v.tls.Mode.Verifies() {
		return nil
	}
	if len(chain) == 0 {
		return errors.New("the server shows no certificate")
	}
	options := x509.VerifyOptions{Roots: v.roots, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	leaf := chain[0]
	if _, err := leaf.Verify(options); err != nil {
		return fmt.Errorf("the server's certificate (%s, issued by %q) does not verify with the authorities %s: %w; give the file of the authority that issued it as ssl-ca",
			names(leaf), leaf.Issuer.CommonName, v.authorities(), err)
	}
	if v.tls.Mode == SSLVerifyIdentity && leaf.VerifyHostname(v.name) != nil {
		return fmt.Errorf("the server's certificate is not one of %q: it is %s; connect by a name that it has, give that as ssl-server-name, or set ssl-mode to %s",
			v.name, names(leaf), SSLVerifyCA)
	}
	return nil
}

func (v *verifier) authorities() string {
	if v.tls.CA == "" {
		return "of the system"
	}
	return "in " + v.tls.CA
}

// names says for which hosts a certificate is. Its common name alone is for none:
// that has not counted since RFC 6125.
func names(c *x509.Certificate) string {
	hosts := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	if len(hosts) == 0 {
		return fmt.Sprintf("for no host, common name %q", c.Subject.CommonName)
	}
	return fmt.Sprintf("for %q", hosts)
}
