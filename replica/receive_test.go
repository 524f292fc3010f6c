package replica

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

// countingSink takes everything and keeps nothing.
type countingSink struct {
	bytes int64
	files int
}

func (s *countingSink) Resume(replication.Reach) (replication.Position, bool, error) {
	return replication.Position{}, false, nil
}
func (s *countingSink) End() (replication.Position, bool) { return replication.Position{}, false }
func (s *countingSink) Successor() string                 { return "" }
func (s *countingSink) StartFile(string) error            { s.files++; return nil }
func (s *countingSink) Append(p []byte, _ bool) error     { s.bytes += int64(len(p)); return nil }
func (s *countingSink) AppendRun(p []byte) error          { s.bytes += int64(len(p)); return nil }
func (s *countingSink) Flush()                            {}
func (s *countingSink) Failed(ctx context.Context) error  { <-ctx.Done(); return nil }
func (s *countingSink) Gap(string, string, *replication.GTIDSet) error {
	return nil
}

// framed puts events into packets, from sequence number seq on.
func framed(seq uint8, events ...[]byte) []byte {
	var f wire.Framer
	f.SetSequence(seq)
	var b []byte
	for _, event := range events {
		b = f.Start(b, int64(1+len(event)))
		b = f.Append(b, []byte{0})
		b = f.Append(b, event)
	}
	return b
}

// beginning is how a stream of the file begins, and the number of its packets.
func beginning(file fakesource.File) (stream []byte, packets int) {
	offsets := file.Offsets()
	rotate := replication.AppendFakeRotate(nil, 1, replication.Rotate{Position: 4, Name: file.Name}, replication.ChecksumCRC32)
	return framed(1, rotate, file.AsSent()[offsets[0]:offsets[1]], file.Bytes[offsets[1]:offsets[2]]), 3
}

// block is 256 times n packets with an event of size bytes, so that its sequence
// numbers fit behind each other; the first has number seq.
func block(seq uint8, n, size int) []byte {
	event := fakesource.AppendEvent(nil, size, 7)
	events := make([][]byte, 256*n)
	for i := range events {
		events[i] = event
	}
	return framed(seq, events...)
}

// testReceiver reads from conn as one of the first file would.
func testReceiver(conn io.Reader, sink Sink, name string, buffer int) *receiver {
	r := newReceiver(sink, &counters{now: time.Now}, replication.Position{File: name, Offset: 4})
	r.packets = packets{conn: conn, buf: make([]byte, buffer), seq: 1, beforeRead: func(bool) error {
		r.count.publish(r)
		return nil
	}}
	return r
}

// repeated gives head, then body for ever.
type repeated struct{ head, body, rest []byte }

func (r *repeated) Read(p []byte) (int, error) {
	src := &r.head
	if len(r.head) == 0 {
		if src = &r.rest; len(r.rest) == 0 {
			r.rest = r.body
		}
	}
	n := copy(p, *src)
	*src = (*src)[n:]
	return n, nil
}

func TestReceivesWithoutAllocating(t *testing.T) {
	file := fakesource.Synthetic("binlog.000001")
	const buffer = 80 << 10
	for _, size := range []int{100, 8 << 10, 150 << 10} { // the last comes in parts
		head, packets := beginning(file)
		r := testReceiver(&repeated{head: head, body: block(uint8(1+packets), 1, size)}, new(countingSink), file.Name, buffer)
		for range 3 + 256 {
			if err := r.payload(); err != nil {
				t.Fatal(err)
			}
		}
		allocs := testing.AllocsPerRun(300, func() {
			if err := r.step(); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations per event of %d bytes", allocs, size)
		}
	}
}

// BenchmarkReceive takes events from a loopback connection, or from memory,
// checksums verified; the sink only counts. One operation is a run of events.
func BenchmarkReceive(b *testing.B) {
	for _, from := range []string{"loopback", "memory"} {
		for _, size := range []int{100, 8 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("from=%s/event=%d", from, size), func(b *testing.B) { benchmarkReceive(b, from, size) })
		}
	}
}

func benchmarkReceive(b *testing.B, from string, size int) {
	file := fakesource.Synthetic("binlog.000001")
	head, packets := beginning(file)
	body := block(uint8(1+packets), 1, size)
	var conn io.Reader = &repeated{head: head, body: body}
	if from == "loopback" {
		c, stop := writeForEver(b, head, body)
		defer stop()
		conn = c
	}
	r := testReceiver(conn, new(countingSink), file.Name, receiveBuffer)
	for range packets {
		if err := r.payload(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	begin := r.position.Offset
	for b.Loop() {
		if err := r.step(); err != nil {
			b.Fatal(err)
		}
	}
	received := float64(r.position.Offset - begin)
	b.ReportMetric(received/1e6/b.Elapsed().Seconds(), "MB/s")
	b.ReportMetric(received/float64(size)/b.Elapsed().Seconds(), "events/s")
}

// writeForEver returns a connection from which head and then body come, over and
// over.
func writeForEver(b *testing.B, head, body []byte) (net.Conn, func()) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		large := bytes.Repeat(body, max(1, (4<<20)/len(body)))
		_, err = conn.Write(head)
		for err == nil {
			_, err = conn.Write(large)
		}
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	return conn, func() {
		conn.Close()
		listener.Close()
		<-done
	}
}

// wholeSink checks what a sink relies on, whatever bytes come.
type wholeSink struct {
	t      *testing.T
	end    int64 // of the current file
	part   int64
	size   int64
	sealed bool
}

func (s *wholeSink) Resume(replication.Reach) (replication.Position, bool, error) {
	return replication.Position{}, false, nil
}
func (s *wholeSink) End() (replication.Position, bool) { return replication.Position{}, false }
func (s *wholeSink) Successor() string                 { return "" }
func (s *wholeSink) Flush()                            {}
func (s *wholeSink) Failed(ctx context.Context) error  { <-ctx.Done(); return nil }
func (s *wholeSink) Gap(string, string, *replication.GTIDSet) error {
	return nil
}

func (s *wholeSink) StartFile(name string) error {
	if err := replication.ValidFileName(name); err != nil || s.part != 0 {
		s.t.Errorf("StartFile(%q) within an event at %d", name, s.part)
	}
	s.end, s.sealed = 4, false
	return nil
}

func (s *wholeSink) Append(p []byte, last bool) error {
	if s.part == 0 {
		h, err := replication.ParseHeader(p)
		if err != nil || s.sealed || s.end == 0 || (s.end == 4) != (h.Type == replication.FormatDescriptionEvent) || h.Artificial() {
			s.t.Errorf("at %d: %+v, %v", s.end, h, err)
		}
		s.size, s.sealed = int64(h.Size), h.Type == replication.RotateEvent
	}
	s.part += int64(len(p))
	if last != (s.part == s.size) || len(p) == 0 {
		s.t.Errorf("%d of %d bytes, last %v", s.part, s.size, last)
	}
	if last {
		s.end += s.part
		s.part = 0
	}
	return nil
}

func (s *wholeSink) AppendRun(events []byte) error {
	for len(events) > 0 {
		n := replication.ClaimedSize(events)
		if err := s.Append(events[:n], true); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// FuzzReceive sends anything. What reaches the sink must be whole events in the
// order of a file, and the position must be what they add up to.
func FuzzReceive(f *testing.F) {
	for _, file := range fakesource.Recorded() {
		stream, _ := beginning(file)
		seq := uint8(4)
		offsets := file.Offsets()
		for i := 2; i+1 < len(offsets); i++ {
			stream = append(stream, framed(seq, file.Bytes[offsets[i]:offsets[i+1]])...)
			seq++
		}
		f.Add(stream, false)
		stream = append(stream, framed(seq, replication.AppendFakeRotate(nil, 1, replication.Rotate{Position: 4, Name: "binlog.000007"}, replication.ChecksumCRC32))...)
		f.Add(stream, true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, gap bool) {
		sink := &wholeSink{t: t}
		r := testReceiver(bytes.NewReader(stream), sink, "binlog.000001", 68<<10) // small, so that events come in parts early
		if gap {
			r.gap = &gapRecord{reason: "fuzz"}
		}
		if err := r.run(); err == nil {
			t.Error("it ended without an error")
		}
		if sink.end > 4 && r.phase == inFile && r.position.Offset != sink.end {
			t.Errorf("at %s, the sink at %d", r.position, sink.end)
		}
	})
}
