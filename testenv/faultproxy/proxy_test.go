package faultproxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const timeout = 30 * time.Second

// start returns a proxy in front of a listener that the test accepts from.
func start(t *testing.T) (*Proxy, net.Listener) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(); p.Close(); listener.Close() })
	return p, listener
}

// connect returns both ends of a connection through the proxy.
func connect(t *testing.T, p *Proxy, listener net.Listener) (client, server net.Conn) {
	t.Helper()
	client, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	server, err = listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{client, server} {
		_ = c.SetDeadline(time.Now().Add(timeout))
		t.Cleanup(func() { c.Close() })
	}
	return client, server
}

func packet(n int, fill byte) []byte {
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0}, bytes.Repeat([]byte{fill}, n)...)
}

func send(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// receive reads until c ends, and returns how it did.
func receive(c net.Conn) ([]byte, error) {
	b, err := io.ReadAll(c)
	return b, err
}

func TestPassesBytesAndHalfCloses(t *testing.T) {
	p, listener := start(t)
	client, server := connect(t, p, listener)
	want := bytes.Repeat([]byte("0123456789"), 100_000)
	go func() {
		_, _ = client.Write(want)
		_ = client.(*net.TCPConn).CloseWrite()
	}()
	if got, err := receive(server); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d of %d bytes, %v", len(got), len(want), err)
	}
	send(t, server, []byte("answer"))
	server.Close()
	if got, err := receive(client); err != nil || string(got) != "answer" {
		t.Fatalf("%q, %v", got, err)
	}
	if p.Opened() != 1 || p.Cuts() != 0 {
		t.Errorf("%d opened, %d cut", p.Opened(), p.Cuts())
	}
}

func TestCutsAfterBytes(t *testing.T) {
	for _, n := range []int64{1, 9, 100, pumpBuffer, pumpBuffer + 1} {
		p, listener := start(t)
		p.Set(ToClient, Faults{CutAfter: n, Once: true})
		client, server := connect(t, p, listener)
		go func() { _, _ = server.Write(make([]byte, 2*pumpBuffer)) }()
		if got, err := receive(client); err != nil || int64(len(got)) != n {
			t.Errorf("cut after %d: %d bytes, %v", n, len(got), err)
		}
		if _, err := receive(server); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server's end: %v", err)
		}
		client, server = connect(t, p, listener)
		send(t, server, make([]byte, 1000))
		server.Close()
		if got, err := receive(client); err != nil || len(got) != 1000 {
			t.Errorf("the next connection: %d bytes, %v", len(got), err)
		}
	}
}

func TestCutsAtAPacket(t *testing.T) {
	stream := append(append(packet(5, 1), packet(0, 2)...), packet(70_000, 3)...)
	sent := append(stream[:len(stream):len(stream)], packet(1, 4)...)
	starts := map[int]int{1: 0, 2: 9, 3: 13, 4: len(stream)}
	for n, want := range starts {
		p, listener := start(t)
		p.Set(ToServer, Faults{CutAtPacket: n})
		client, server := connect(t, p, listener)
		go func() { _, _ = client.Write(sent) }()
		if got, err := receive(server); err != nil || !bytes.Equal(got, stream[:want]) {
			t.Errorf("cut at packet %d: %d bytes, %v", n, len(got), err)
		}
	}
}

// The counter must find packets however the bytes are cut.
func TestCountsPacketsByteByByte(t *testing.T) {
	stream := append(append(packet(5, 1), packet(0, 2)...), packet(300, 3)...)
	for n, want := range map[int]int{0: len(stream), 1: 0, 2: 9, 3: 13, 4: len(stream)} {
		var c packetCounter
		got := 0
		for i := range stream {
			step := c.before(stream[i:i+1], n)
			got += step
			if step == 0 {
				break
			}
		}
		if got != want {
			t.Errorf("packet %d begins at %d, not %d", n, want, got)
		}
	}
}

func TestResets(t *testing.T) {
	p, listener := start(t)
	p.Set(ToClient, Faults{CutAfter: 10, Reset: true})
	client, server := connect(t, p, listener)
	send(t, server, make([]byte, 100))
	if _, err := receive(client); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's end: %v", err)
	}
	p.Heal()
	client, _ = connect(t, p, listener)
	p.Cut(true)
	if _, err := receive(client); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's end: %v", err)
	}
	if p.Cuts() != 2 {
		t.Errorf("%d cuts", p.Cuts())
	}
}

func TestStallsUntilHealed(t *testing.T) {
	p, listener := start(t)
	client, server := connect(t, p, listener)
	p.Set(ToServer, Faults{Stall: true})
	send(t, client, []byte("held"))
	send(t, server, []byte("passes"))
	buf := make([]byte, 6)
	if _, err := io.ReadFull(client, buf); err != nil || string(buf) != "passes" {
		t.Fatalf("%q, %v", buf, err)
	}
	_ = server.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	if n, err := server.Read(buf); n != 0 || err == nil {
		t.Fatalf("%d bytes passed", n)
	}
	_ = server.SetReadDeadline(time.Now().Add(timeout))
	p.Heal()
	if _, err := io.ReadFull(server, buf[:4]); err != nil || string(buf[:4]) != "held" {
		t.Fatalf("%q, %v", buf[:4], err)
	}
}

func TestDelaysAndThrottles(t *testing.T) {
	p, listener := start(t)
	client, server := connect(t, p, listener)
	for _, f := range []Faults{{Delay: 50 * time.Millisecond}, {BytesPerSecond: 20_000}} {
		p.Set(ToServer, f)
		begin := time.Now()
		send(t, client, make([]byte, 1000))
		if _, err := io.ReadFull(server, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 45*time.Millisecond {
			t.Errorf("%+v: it took %s", f, took)
		}
	}
}

// Close ends connections that are stalled, delayed or blocked.
func TestCloseEndsEverything(t *testing.T) {
	for _, f := range []Faults{{Stall: true}, {Delay: time.Hour}, {BytesPerSecond: 1}, {}} {
		p, listener := start(t)
		p.Set(ToServer, f)
		client, _ := connect(t, p, listener)
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, _ = client.Write(make([]byte, 64<<20)) // nobody reads
		}()
		p.Close()
		<-written
		if _, err := net.Dial("tcp", p.Addr()); err == nil {
			t.Error("it still listens")
		}
	}
}

func TestPassesOnToAnotherTarget(t *testing.T) {
	p, _ := start(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	p.SetTarget(other.Addr().String())
	client, server := connect(t, p, other)
	send(t, client, []byte("x"))
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	other.Close()
	client.Close()
	refused, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	if _, err := receive(refused); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
}
