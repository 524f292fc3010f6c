package wire

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// writePackets frames payloads by the path that an outside implementation
// judges (TestAnotherImplementationReadsWhatWePacket).
func writePackets(t testing.TB, seq uint8, payloads ...[]byte) []byte {
	m := newMemConn(nil)
	c := NewConn(m)
	c.SetSequence(seq)
	for _, p := range payloads {
		if err := c.WritePacket(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	return m.out.Bytes()
}

// splitPackets takes a stream of short packets apart.
func splitPackets(t testing.TB, stream []byte) (payloads [][]byte) {
	for len(stream) > 0 {
		n := HeaderLen + (int(stream[0]) | int(stream[1])<<8)
		if len(stream) < n {
			t.Fatalf("stream ends inside a packet: % x", stream)
		}
		payloads = append(payloads, stream[HeaderLen:n])
		stream = stream[n:]
	}
	return payloads
}

func TestFramerWritesWhatWritePacketWrites(t *testing.T) {
	for _, size := range payloadSizes {
		payload := randomBytes(size)
		want := writePackets(t, 254, payload, payload)
		pieces := []int{1 << 12, 1 << 30}
		if size > 1<<20 {
			pieces = []int{1<<20 + 1, MaxPart}
		}
		for _, piece := range pieces {
			t.Run(fmt.Sprintf("%d by %d", size, piece), func(t *testing.T) {
				var f Framer
				f.SetSequence(254)
				got := make([]byte, 0, len(want))
				for range 2 {
					got = f.Start(got, int64(size))
					for rest := payload; f.Rest() > 0; {
						n := min(piece, len(rest))
						got, rest = f.Append(got, rest[:n]), rest[n:]
					}
				}
				if !bytes.Equal(got, want) {
					t.Error("framed bytes differ")
				}
			})
		}
	}
}

// The captured case: an event of 16 MiB in a dump, that is a payload of one byte
// more, came as parts of 16,777,215 and 2 bytes with numbers 9 and 10.
func TestFramerSplitsLikeMySQLDoes(t *testing.T) {
	var f Framer
	f.SetSequence(9)
	buf := make([]byte, 0, FramedSize(1+1<<24))
	buf = f.Append(f.Start(buf, 1+1<<24), []byte{0})
	buf = f.Append(buf, make([]byte, 1<<24))
	if got := buf[:HeaderLen]; !bytes.Equal(got, []byte{0xff, 0xff, 0xff, 9}) {
		t.Errorf("first header % x", got)
	}
	if got := buf[HeaderLen+MaxPart:][:HeaderLen]; !bytes.Equal(got, []byte{2, 0, 0, 10}) {
		t.Errorf("second header % x", got)
	}
	if len(buf) != cap(buf) || f.Sequence() != 11 {
		t.Errorf("%d bytes, next number %d", len(buf), f.Sequence())
	}
}

func TestFramerDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 1<<20)
	event := make([]byte, 1000)
	zero := []byte{0}
	var f Framer
	if n := testing.AllocsPerRun(100, func() {
		buf = buf[:0]
		for range 100 {
			buf = f.Start(buf, int64(1+len(event)))
			buf = f.Append(buf, zero)
			buf = f.Append(buf, event)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 100 events", n)
	}
}

func TestFramerRefusesToLoseStep(t *testing.T) {
	mustPanic := func(name string, fn func()) {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			fn()
		})
	}
	mustPanic("start inside a payload", func() { var f Framer; f.Start(f.Start(nil, 1), 1) })
	mustPanic("more than announced", func() { var f Framer; f.Append(f.Start(nil, 1), []byte("ab")) })
	mustPanic("negative length", func() { var f Framer; f.Start(nil, -1) })
}

// FuzzFramer checks that neither the pieces nor the buffers make a difference.
func FuzzFramer(f *testing.F) {
	f.Add([]byte("\x00event"), uint8(1), []byte{2, 0, 9})
	f.Add([]byte{}, uint8(255), []byte{})
	f.Fuzz(func(t *testing.T, payload []byte, seq uint8, cuts []byte) {
		var framer Framer
		framer.SetSequence(seq)
		got := framer.Start(nil, int64(len(payload)))
		pieces := &sliceReader{r: bytes.NewReader(payload), cuts: cuts}
		for piece := make([]byte, 300); framer.Rest() > 0; {
			n, err := pieces.Read(piece)
			if err != nil {
				t.Fatal(errors.Join(err, errors.New("pieces end before Rest is 0")))
			}
			got = framer.Append(got, piece[:n])
		}
		if want := writePackets(t, seq, payload); !bytes.Equal(got, want) {
			t.Fatalf("% x, want % x", got, want)
		}
	})
}

func BenchmarkFramer(b *testing.B) {
	for _, size := range []int{100, 1000, 8 << 10} {
		b.Run(fmt.Sprintf("event=%d", size), func(b *testing.B) {
			event, zero := make([]byte, size), []byte{0}
			buf := make([]byte, 0, 1<<20)
			var f Framer
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if cap(buf)-len(buf) < size+HeaderLen+1 {
					buf = buf[:0]
				}
				buf = f.Append(f.Append(f.Start(buf, int64(1+size)), zero), event)
			}
		})
	}
}
