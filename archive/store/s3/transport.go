package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
)

// newTransport is minio-go's, with more authorities, and with connections that fail
// when nothing moves on them for as long as stall.
func newTransport(ca string, stall time.Duration) (*http.Transport, error) {
	transport, err := minio.DefaultTransport(true)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: min(stall, 30*time.Second), KeepAlive: 30 * time.Second}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &impatientConn{Conn: conn, stall: stall}, nil
	}
	transport.ResponseHeaderTimeout = stall
	if ca == "" {
		return transport, nil
	}
	pool, err := authorities(ca)
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	return transport, err
}

// authorities are the system's and those in the file ca.
func authorities(ca string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("authorities of the bucket's endpoint: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities of the bucket's endpoint: %s has no certificate", ca)
	}
	return pool, nil
}

// impatientConn gives a connection up on which nothing has moved, in either direction,
// for as long as stall. Without it, a body to or from a server that hangs would wait
// for ever: the transport only limits the time from a request's end to its answer.
type impatientConn struct {
	net.Conn
	stall time.Duration
}

func (c *impatientConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write gives a Read that waits for the answer more time, too.
func (c *impatientConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
