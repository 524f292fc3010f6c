package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
)

// countingConn counts the writes that reach the network, and fails the one that it
// is told to.
type countingConn struct {
	net.Conn
	writes, failAt int
}

var errNoNetwork = errors.New("no network")

func (c *countingConn) Write(p []byte) (int, error) {
	if c.writes++; c.writes == c.failAt {
		return 0, errNoNetwork
	}
	return c.Conn.Write(p)
}

// securedPair returns both ends of a connection over TLS.
func securedPair(t *testing.T) (*tlsConn, *countingConn, *tls.Conn) {
	t.Helper()
	certificates := issue(t)
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	counting := &countingConn{Conn: near}
	server := newTLSConn(counting, certificates.load(t, TLSRequired).config)
	client := tls.Client(far, certificates.client(t, false))
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	counting.writes = 0
	return server, counting, client
}

func TestOneLongWriteInsideTLSTakesFewWritesOutside(t *testing.T) {
	server, counting, client := securedPair(t)
	for _, size := range []int{1, maxRecord, maxRecord + 1, 64 << 10, 256<<10 + 77, 3 << 20} {
		sent := bytes.Repeat([]byte("binlog"), size/6+1)[:size]
		counting.writes = 0
		received := make(chan []byte, 1)
		go func() {
			got := make([]byte, size)
			_, _ = io.ReadFull(client, got) // compared below
			received <- got
		}()
		if n, err := server.Write(sent); n != size || err != nil {
			t.Fatalf("%d bytes: %d, %v", size, n, err)
		}
		if !bytes.Equal(<-received, sent) {
			t.Fatalf("%d bytes have changed", size)
		}
		if most := size/(64<<10) + 1; counting.writes > most {
			t.Errorf("%d bytes took %d writes, want at most %d", size, counting.writes, most)
		}
		if server.records.held != nil {
			t.Errorf("a buffer is held behind a write of %d bytes", size)
		}
	}
}

func TestAFailedWriteInsideTLSIsToldAndFinal(t *testing.T) {
	for failAt := 1; failAt <= 3; failAt++ {
		server, counting, client := securedPair(t)
		counting.failAt = failAt
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, client) // ends with the pipe
		}()
		if _, err := server.Write(make([]byte, 150<<10)); !errors.Is(err, errNoNetwork) {
			t.Errorf("write %d fails: %v", failAt, err)
		}
		after := counting.writes
		for _, size := range []int{1, 100 << 10} {
			if _, err := server.Write(make([]byte, size)); err == nil {
				t.Errorf("write %d failed, and a later one of %d bytes did not", failAt, size)
			}
		}
		if counting.writes != after {
			t.Errorf("write %d failed, and %d were tried behind it", failAt, counting.writes-after)
		}
		_ = counting.Close()
		<-read
	}
}
