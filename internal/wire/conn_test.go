package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"

	oracle "github.com/go-mysql-org/go-mysql/packet"
)

// randomBytes returns n bytes that depend on n only.
func randomBytes(n int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	_, _ = r.Read(p)
	return p
}

// Sizes around every edge of the framing.
var payloadSizes = []int{0, 1, 2, 1023, 1024, 1025, 4095, 4096, 4097, 65536,
	MaxPart - 1, MaxPart, MaxPart + 1, 2 * MaxPart}

func TestAnotherImplementationReadsWhatWePacket(t *testing.T) {
	for _, size := range payloadSizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			payload := randomBytes(size)
			m := newMemConn(nil)
			c := NewConn(m)
			if err := c.WritePacket(payload); err != nil {
				t.Fatal(err)
			}
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			if got, want := int64(m.out.Len()), FramedSize(int64(size)); got != want {
				t.Errorf("FramedSize = %d, %d bytes were written", want, got)
			}
			o := oracle.NewConn(newMemConn(m.out.Bytes()))
			got, err := o.ReadPacket()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, payload) {
				t.Fatal("payload differs")
			}
			if o.Sequence != c.Sequence() {
				t.Errorf("next sequence number %d, the other side expects %d", c.Sequence(), o.Sequence)
			}
		})
	}
}

func TestReadsWhatAnotherImplementationPackets(t *testing.T) {
	for _, size := range payloadSizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			payload := randomBytes(size)
			m := newMemConn(nil)
			o := oracle.NewConn(m)
			if err := o.WritePacket(append(make([]byte, HeaderLen), payload...)); err != nil {
				t.Fatal(err)
			}
			c := NewConn(&memConn{in: &m.out})
			got, err := c.ReadPacket(size)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, payload) {
				t.Fatal("payload differs")
			}
			if m.out.Len() != 0 {
				t.Errorf("%d bytes left unread", m.out.Len())
			}
			if o.Sequence != c.Sequence() {
				t.Errorf("next sequence number %d, want %d", c.Sequence(), o.Sequence)
			}
		})
	}
}

func TestReadPacketNeverReadsAhead(t *testing.T) {
	var stream []byte
	stream = append(AppendPacketHeader(stream, 3, 0), "abc"...)
	stream = append(stream, "what comes after belongs to TLS"...)
	in := bytes.NewReader(stream)
	c := NewConn(&memConn{in: in})
	if got, err := c.ReadPacket(10); err != nil || string(got) != "abc" {
		t.Fatalf("ReadPacket = %q, %v", got, err)
	}
	rest, _ := io.ReadAll(in)
	if string(rest) != "what comes after belongs to TLS" {
		t.Errorf("left in the connection: %q", rest)
	}
}

func TestLimitIsInclusiveAndRefusedBeforeReading(t *testing.T) {
	frame := func(sizes ...int) []byte {
		var p []byte
		for i, n := range sizes {
			p = append(AppendPacketHeader(p, n, uint8(i)), make([]byte, n)...)
		}
		return p
	}
	tests := []struct {
		name   string
		stream []byte
		limit  int
		want   int // claimed length of the refusal, 0 = accepted
		unread int
	}{
		{"at the limit", frame(100), 100, 0, 0},
		{"one over", frame(101), 100, 101, 101},
		{"empty with limit 0", frame(0), 0, 0, 0},
		{"first part over", frame(MaxPart, 5), 1 << 20, MaxPart, MaxPart + 4 + 5},
		{"second part crosses", frame(MaxPart, 5), MaxPart + 4, MaxPart + 5, 5},
		{"second part fits", frame(MaxPart, 5), MaxPart + 5, 0, 0},
		{"closing empty part fits", frame(MaxPart, 0), MaxPart, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := bytes.NewReader(tt.stream)
			_, err := NewConn(&memConn{in: in}).ReadPacket(tt.limit)
			if tt.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
			} else {
				tooLarge, ok := errors.AsType[*PacketTooLargeError](err)
				if !ok || tooLarge.Length != tt.want || tooLarge.Limit != tt.limit {
					t.Fatalf("error %v, want claim %d and limit %d", err, tt.want, tt.limit)
				}
			}
			if in.Len() != tt.unread {
				t.Errorf("%d bytes unread, want %d", in.Len(), tt.unread)
			}
		})
	}
}

func TestClaimedLengthIsNotAllocated(t *testing.T) {
	stream := append(AppendPacketHeader(nil, MaxPart, 0), "only ten.."...)
	c := NewConn(newMemConn(stream))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.ReadPacket(1 << 30)
	runtime.ReadMemStats(&after)
	if err != io.ErrUnexpectedEOF {
		t.Fatalf("error %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<10 {
		t.Errorf("%d bytes allocated for 10 received", got)
	}
}

func TestBigReadBufferIsGivenBack(t *testing.T) {
	var stream []byte
	for range 2 {
		stream = append(AppendPacketHeader(stream, 1<<20, 0), make([]byte, 1<<20)...)
		stream = append(AppendPacketHeader(stream, 1, 0), 'x')
	}
	c := NewConn(newMemConn(stream))
	for range 2 {
		for _, want := range []int{1 << 20, 1} {
			c.ResetSequence()
			if p, err := c.ReadPacket(1 << 20); err != nil || len(p) != want {
				t.Fatalf("%d bytes, %v", len(p), err)
			}
		}
		if cap(c.in) > minReadBuffer {
			t.Errorf("a buffer of %d bytes is kept for a packet of one", cap(c.in))
		}
	}
}

func TestEndOfStream(t *testing.T) {
	whole := append(AppendPacketHeader(nil, 3, 0), "abc"...)
	multi := append(AppendPacketHeader(nil, MaxPart, 0), make([]byte, MaxPart)...)
	tests := []struct {
		name   string
		stream []byte
		want   error
	}{
		{"between packets", nil, io.EOF},
		{"inside a header", whole[:2], io.ErrUnexpectedEOF},
		{"behind a header", whole[:4], io.ErrUnexpectedEOF},
		{"inside a body", whole[:6], io.ErrUnexpectedEOF},
		{"between parts", multi, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewConn(newMemConn(tt.stream)).ReadPacket(1 << 30); err != tt.want {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSequenceNumbersAreSharedAndChecked(t *testing.T) {
	m := newMemConn(append(AppendPacketHeader(nil, 1, 255), 'q'))
	c := NewConn(m)
	c.SetSequence(255)
	if _, err := c.ReadPacket(1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.WritePacket([]byte("a")), c.WritePacket(nil), c.Flush()); err != nil {
		t.Fatal(err)
	}
	want := append(append(AppendPacketHeader(nil, 1, 0), 'a'), AppendPacketHeader(nil, 0, 1)...)
	if !bytes.Equal(m.out.Bytes(), want) {
		t.Errorf("wrote % x, want % x", m.out.Bytes(), want)
	}

	c = NewConn(newMemConn(append(AppendPacketHeader(nil, 1, 7), 'q')))
	_, err := c.ReadPacket(1)
	if s, ok := errors.AsType[*SequenceError](err); !ok || s.Got != 7 || s.Want != 0 {
		t.Errorf("error %v, want 7 instead of 0", err)
	}
}

func TestUpgradeMovesToTheNewConnection(t *testing.T) {
	plain, secure := newMemConn(nil), newMemConn(append(AppendPacketHeader(nil, 2, 1), "in"...))
	c := NewConn(plain)
	if err := c.WritePacket([]byte("greeting")); err != nil {
		t.Fatal(err)
	}
	if err := c.Upgrade(secure); err == nil {
		t.Fatal("Upgrade accepted unflushed packets, which would have gone out encrypted or got lost")
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := c.Upgrade(secure); err != nil {
		t.Fatal(err)
	}
	if c.NetConn() != net.Conn(secure) {
		t.Error("NetConn is not the new connection")
	}
	if p, err := c.ReadPacket(10); err != nil || string(p) != "in" {
		t.Errorf("ReadPacket = %q, %v", p, err)
	}
	if err := errors.Join(c.WritePacket([]byte("out")), c.Flush()); err != nil {
		t.Fatal(err)
	}
	if got := plain.out.String(); got != "\x08\x00\x00\x00greeting" {
		t.Errorf("plain connection got %q", got)
	}
	if got := secure.out.String(); got != "\x03\x00\x00\x02out" {
		t.Errorf("new connection got %q", got)
	}
}

func TestPacketsDoNotAllocate(t *testing.T) {
	command := append(AppendPacketHeader(nil, 100, 0), make([]byte, 100)...)
	m := &memConn{}
	c := NewConn(m)
	payload := make([]byte, 100)
	in := bytes.NewReader(nil)
	m.in = in
	if n := testing.AllocsPerRun(100, func() {
		in.Reset(command)
		m.out.Reset()
		c.ResetSequence()
		if _, err := c.ReadPacket(1000); err != nil {
			t.Fatal(err)
		}
		if err := c.WritePacket(payload); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per command and answer", n)
	}
}

// FuzzFraming sends a stream of payloads through our writer and any slicing of
// the network into our reader.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("\x03SELECT 1"), uint16(9), uint8(0), []byte{0})
	f.Add([]byte("\x0e\x01"), uint16(1), uint8(255), []byte{3, 0, 200})
	f.Add([]byte{}, uint16(0), uint8(7), []byte{})
	f.Fuzz(func(t *testing.T, data []byte, size uint16, seq uint8, cuts []byte) {
		var payloads [][]byte
		for rest := data; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			payloads, rest = append(payloads, rest[:n]), rest[n:]
		}
		payloads = append(payloads, nil)
		m := newMemConn(nil)
		w := NewConn(m)
		w.SetSequence(seq)
		for _, p := range payloads {
			if err := w.WritePacket(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		r := NewConn(&memConn{in: &sliceReader{r: &m.out, cuts: cuts}})
		r.SetSequence(seq)
		for i, want := range payloads {
			got, err := r.ReadPacket(len(want))
			if err != nil {
				t.Fatalf("payload %d: %v", i, err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("payload %d differs", i)
			}
		}
		if _, err := r.ReadPacket(0); err != io.EOF {
			t.Fatalf("behind the last payload: %v", err)
		}
	})
}

// FuzzReadPacket feeds arbitrary bytes: what is returned was really there, and
// what was not there was not allocated.
func FuzzReadPacket(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x0e"), 1<<20)
	f.Add([]byte("\xff\xff\xff\x00"), 1<<30)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 1<<16)
	f.Fuzz(func(t *testing.T, stream []byte, limit int) {
		in := bytes.NewReader(stream)
		c := NewConn(&memConn{in: in})
		p, err := c.ReadPacket(limit)
		if cap(c.in) > 2*len(stream)+minReadBuffer {
			t.Fatalf("buffer of %d bytes for a stream of %d", cap(c.in), len(stream))
		}
		if err != nil {
			return
		}
		if len(p) > limit {
			t.Fatalf("%d bytes with limit %d", len(p), limit)
		}
		read := stream[:len(stream)-in.Len()]
		if want := append(AppendPacketHeader(nil, len(p), 0), p...); !bytes.Equal(read, want) {
			t.Fatalf("read % x from % x", p, read)
		}
	})
}

func BenchmarkReadPacket(b *testing.B) {
	for _, size := range []int{100, 64 << 10, 20 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			m := newMemConn(nil)
			w := NewConn(m)
			if err := errors.Join(w.WritePacket(make([]byte, size)), w.Flush()); err != nil {
				b.Fatal(err)
			}
			in := bytes.NewReader(nil)
			c := NewConn(&memConn{in: in})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(m.out.Bytes())
				c.ResetSequence()
				if _, err := c.ReadPacket(size); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
