package server

import (
	"bytes"
	"testing"
)

// unframe is the reader's side of the protocol, written from its definition.
func unframe(t *testing.T, b []byte) (payloads [][]byte, sequences []byte) {
	t.Helper()
	current := make([]byte, 0, len(b))
	for len(b) > 0 {
		if len(b) < 4 {
			t.Fatalf("%d bytes behind the last packet", len(b))
		}
		n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		sequences = append(sequences, b[3])
		if len(b) < 4+n {
			t.Fatalf("a packet of %d bytes in %d", n, len(b)-4)
		}
		current = append(current, b[4:4+n]...)
		b = b[4+n:]
		if n < 1<<24-1 {
			payloads = append(payloads, current)
			current = current[len(current):]
		}
	}
	if len(current) > 0 {
		t.Fatal("the last message has no last packet")
	}
	return payloads, sequences
}

func TestEventsAroundSixteenMebibytesAreSplitExactly(t *testing.T) {
	const full = 1<<24 - 1
	bytesOf := make([]byte, 2*full+5)
	for i := range bytesOf {
		bytesOf[i] = byte(i * 7)
	}
	f := framer{}
	for _, size := range []int{19, full - 2, full - 1, full, full + 1, 2*full - 1, 2 * full} {
		event := bytesOf[:size]
		for _, pieces := range []int{1, 3} {
			f = framer{sequence: 254, out: f.out[:0]}
			if pieces == 1 {
				f.event(event)
			} else {
				f.begin(int64(size))
				third := size / 3
				f.part(event[:third])
				f.part(event[third : 2*third])
				f.part(event[2*third:])
			}
			f.event([]byte("the next one"))
			payloads, sequences := unframe(t, f.out)
			if len(payloads) != 2 || payloads[0][0] != 0 || !bytes.Equal(payloads[0][1:], event) || string(payloads[1][1:]) != "the next one" {
				t.Fatalf("%d bytes in %d pieces came out as %d messages", size, pieces, len(payloads))
			}
			if want := (size+1)/full + 2; len(sequences) != want {
				t.Fatalf("%d bytes: %d packets, want %d", size, len(sequences), want)
			}
			for i, s := range sequences {
				if s != byte(254+i) {
					t.Fatalf("packet %d has sequence number %d", i, s)
				}
			}
		}
	}
}

func TestFramingAllocatesNothingPerEvent(t *testing.T) {
	f := framer{out: make([]byte, 0, 1<<20)}
	event := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		f.out = f.out[:0]
		for range 1000 {
			f.event(event)
		}
	}); n != 0 {
		t.Fatalf("%v allocations for 1000 events", n)
	}
}
