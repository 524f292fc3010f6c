package server

import "encoding/binary"

// maxPacket is the largest payload of one protocol packet. A longer message goes
// on in the next packet; one that ends exactly on a full packet is followed by an
// empty one (MySQL manual, "Client/Server Protocol: Packets").
const maxPacket = 1<<24 - 1

// framer puts events into protocol packets: for each event a 00 byte and the
// event, split where that is longer than a packet. It allocates only to grow its
// buffer, which is then reused.
type framer struct {
	out      []byte
	sequence byte  // of the next packet
	left     int64 // payload bytes of the current event still to come
	room     int   // payload bytes that still fit in the current packet
	full     bool  // the current packet is of the largest size: another must follow, be it empty
}

// event frames one whole event.
func (f *framer) event(event []byte) {
	if len(event)+1 < maxPacket {
		n := len(event) + 1
		f.out = append(f.out, byte(n), byte(n>>8), byte(n>>16), f.sequence, 0)
		f.sequence++
		f.out = append(f.out, event...)
		return
	}
	f.begin(int64(len(event)))
	f.part(event)
}

// begin starts an event of the given size whose bytes follow by part.
func (f *framer) begin(size int64) {
	f.left = size + 1
	f.packet()
	f.part([]byte{0})
}

// part frames the next bytes of the current event.
func (f *framer) part(p []byte) {
	for len(p) > 0 {
		n := min(len(p), f.room)
		f.out = append(f.out, p[:n]...)
		p = p[n:]
		f.room -= n
		f.left -= int64(n)
		if f.room == 0 && f.full {
			f.packet()
		}
	}
}

// packet begins a packet with as much of the event as fits.
func (f *framer) packet() {
	f.room = int(min(f.left, maxPacket))
	var header [4]byte
	binary.LittleEndian.PutUint32(header[:], uint32(f.room))
	header[3] = f.sequence
	f.sequence++
	f.out = append(f.out, header[:]...)
	f.full = f.room == maxPacket
}
