package testenv

import "context"

// UseCertificate makes the server show a certificate (files of this machine) to
// the connections that come from now on, and check those of clients with ca. A
// server has certificates of its own making from the start.
func (m *MySQL) UseCertificate(ctx context.Context, ca, cert, key string) error {
	for variable, file := range map[string]string{"ssl_ca": ca, "ssl_cert": cert, "ssl_key": key} {
		path := "/tmp/" + variable + ".pem"
		if err := m.WriteFile(ctx, file, path); err != nil {
			return err
		}
		if _, err := m.db.ExecContext(ctx, "SET GLOBAL "+variable+" = ?", path); err != nil {
			return m.explain("setting "+variable+" of", err)
		}
	}
	_, err := m.db.ExecContext(ctx, "ALTER INSTANCE RELOAD TLS")
	return m.explain("changing the certificate of", err)
}

// AuthorityPath is where a server keeps the certificate of the authority that it
// made for itself.
const AuthorityPath = dataDir + "/ca.pem"
