package wire

// MaxPart is the longest payload that one packet can carry. A longer payload is
// sent in parts of this size, the last of which is shorter: a payload of
// exactly n*MaxPart bytes ends with an empty packet
// (sql-common/net_serv.cc, my_net_write).
const MaxPart = 1<<24 - 1

// HeaderLen is the size of a packet header: payload length (3 bytes,
// little-endian) and sequence number (1 byte).
const HeaderLen = 4

// AppendPacketHeader appends the header of a packet with length payload bytes,
// at most MaxPart.
func AppendPacketHeader(dst []byte, length int, seq uint8) []byte {
	return append(dst, byte(length), byte(length>>8), byte(length>>16), seq)
}

// FramedSize returns how many bytes a payload occupies on the wire, headers
// included.
func FramedSize(length int64) int64 {
	return length + HeaderLen*(length/MaxPart+1)
}

// Framer puts payloads that arrive in pieces into packets, in a buffer of the
// caller and without allocating (as long as that buffer has room, see
// FramedSize). It is how an event that is longer than any buffer is sent: Start
// with the full length, then Append piece after piece, writing the buffer out
// in between as one likes.
//
//	var f wire.Framer                        // first packet gets sequence number 0
//	f.SetSequence(1)
//	buf = f.Start(buf, 1+size)
//	buf = f.Append(buf, zero)                // the 00 before each event
//	for f.Rest() > 0 { buf = f.Append(buf, nextPiece()) }
//
// The zero value is ready.
type Framer struct {
	rest int64 // bytes of the payload that have not been appended
	part int64 // of these, the ones that belong to the packet begun last
	full bool  // that packet has MaxPart bytes
	seq  uint8 // of the next packet
}

// Sequence returns the sequence number that the next packet will get.
func (f *Framer) Sequence() uint8 { return f.seq }

// SetSequence sets the sequence number of the next packet.
func (f *Framer) SetSequence(seq uint8) { f.seq = seq }

// Rest returns how many bytes of the started payload have not been appended.
func (f *Framer) Rest() int64 { return f.rest }

// Start begins a payload of length bytes and appends its first header. The
// payload before it must be complete; anything else is a mistake of the caller
// that would put the stream out of step, and panics.
func (f *Framer) Start(dst []byte, length int64) []byte {
	if f.rest != 0 || length < 0 {
		panic("wire: Framer.Start inside a payload, or with a negative length")
	}
	f.rest = length
	return f.header(dst)
}

// Append appends the next bytes of the payload, with a header wherever a packet
// begins. More bytes than Rest are a mistake of the caller and panic.
func (f *Framer) Append(dst, p []byte) []byte {
	if int64(len(p)) > f.rest {
		panic("wire: Framer.Append of more bytes than were announced")
	}
	for len(p) > 0 {
		n := min(int64(len(p)), f.part)
		dst = append(dst, p[:n]...)
		p = p[n:]
		f.part -= n
		f.rest -= n
		if f.part == 0 && f.full {
			dst = f.header(dst)
		}
	}
	return dst
}

// header begins the next packet. A full one is always followed by another, if
// need be an empty one.
func (f *Framer) header(dst []byte) []byte {
	f.part = min(f.rest, MaxPart)
	f.full = f.part == MaxPart
	dst = AppendPacketHeader(dst, int(f.part), f.seq)
	f.seq++
	return dst
}
