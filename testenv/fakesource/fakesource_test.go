package fakesource

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client logs in by itself: caching_sha2_password's fast path.
func client(t *testing.T, s *Source) *wire.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	w := wire.NewConn(conn)
	greeting, err := wire.DecodeGreeting(read(t, w))
	if err != nil {
		t.Fatal(err)
	}
	response := wire.HandshakeResponse{
		Capabilities: wire.LoginCapabilities &^ (wire.CapConnectWithDB | wire.CapConnectAttrs), User: DefaultUser, Plugin: wire.CachingSHA2Password,
		AuthData: wire.CachingSHA2Response([]byte(DefaultPassword), greeting.Nonce),
	}
	write(t, w, response.Append(nil))
	read(t, w) // fast path
	if ok := read(t, w); ok[0] != 0 {
		t.Fatalf("login: %x", ok)
	}
	return w
}

func read(t *testing.T, w *wire.Conn) []byte {
	t.Helper()
	p, err := w.ReadPacket(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(nil), p...)
}

func write(t *testing.T, w *wire.Conn, payload []byte) {
	t.Helper()
	if err := errors.Join(w.WritePacket(payload), w.Flush()); err != nil {
		t.Fatal(err)
	}
}

func dumpFrom(t *testing.T, w *wire.Conn, file string, position uint32) {
	t.Helper()
	w.ResetSequence()
	d := wire.BinlogDump{File: file, Position: position, ServerID: 9}
	write(t, w, d.Append(nil))
}

func TestAnHonestSourceSendsItsFiles(t *testing.T) {
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := client(t, s)
	dumpFrom(t, w, "binlog.000001", 4)
	for _, f := range Recorded() {
		if rotate := read(t, w); rotate[5] != byte(replication.RotateEvent) || !bytes.Contains(rotate, []byte(f.Name)) {
			t.Fatalf("%s begins with %x", f.Name, rotate)
		}
		got := replication.FileMagic[:]
		for len(got) < len(f.Bytes) {
			got = append(got[:len(got):len(got)], read(t, w)[1:]...)
		}
		if !bytes.Equal(got, f.AsSent()) {
			t.Errorf("%s differs", f.Name)
		}
	}
	if r := s.Requests(); len(r) != 1 || r[0].File != "binlog.000001" || r[0].ServerID != 9 {
		t.Errorf("requests %+v", r)
	}
}

func TestRefusesWhatItDoesNotHave(t *testing.T) {
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for file, position := range map[string]uint32{"binlog.000099": 4, "binlog.000001": 999_999} {
		w := client(t, s)
		dumpFrom(t, w, file, position)
		e, err := wire.DecodeError(read(t, w))
		if err != nil || e.Number != 1236 {
			t.Errorf("%s:%d: %v, %v", file, position, e, err)
		}
		if _, err := w.ReadPacket(100); !errors.Is(err, io.EOF) {
			t.Errorf("behind the error: %v", err)
		}
	}
}

// Close ends dumps in every state, and a second one does no harm.
func TestCloseEndsEveryDump(t *testing.T) {
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Next(new(Script).Silence(), new(Script).SmallSegments(), new(Script).Events(3))
	for range 4 {
		dumpFrom(t, client(t, s), "binlog.000001", 4)
	}
	client(t, s) // no dump at all
	s.Close()
	s.Close()
}
