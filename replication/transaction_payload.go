package replication

import "fmt"

// Compression is the algorithm of a TRANSACTION_PAYLOAD (mysqld:
// mysql::binlog::event::compression::type).
type Compression uint8

const (
	CompressionZstd Compression = 0
	CompressionNone Compression = 255
)

// TransactionPayload is the envelope of a TRANSACTION_PAYLOAD: a whole
// transaction's events, without checksums of their own, usually compressed.
type TransactionPayload struct {
	Compression      Compression
	UncompressedSize uint64 // bytes of the events within; 0 where the writer does not say
	Payload          []byte // part of the event's bytes, not a copy
}

// Field types of the envelope (mysqld: Transaction_payload_event::fields):
// type, length and value as packed integers, until type 0; the payload follows.
const (
	payloadEndMark          = 0
	payloadSize             = 1
	payloadCompression      = 2
	payloadUncompressedSize = 3
)

// ParseTransactionPayload reads the envelope of a whole TRANSACTION_PAYLOAD
// event. It does not look into the payload.
func ParseTransactionPayload(event []byte, checksum Checksum) (TransactionPayload, error) {
	malformed := func(reason string) (TransactionPayload, error) {
		return TransactionPayload{}, &MalformedError{What: "envelope", Type: TransactionPayloadEvent, Reason: reason}
	}
	end := len(event) - checksum.Size()
	if end < HeaderSize {
		return malformed(fmt.Sprintf("%d bytes", len(event)))
	}
	p := TransactionPayload{Compression: CompressionNone}
	var size uint64
	body := event[HeaderSize:end]
	for {
		field, rest, ok := readPackedInt(body)
		if !ok {
			return malformed("no end mark")
		}
		body = rest
		if field == payloadEndMark {
			break
		}
		n, rest, ok := readPackedInt(body)
		if !ok || n > uint64(len(rest)) {
			return malformed("a field ends beyond the event")
		}
		body = rest[n:]
		value, left, ok := readPackedInt(rest[:n])
		known := field == payloadSize || field == payloadCompression || field == payloadUncompressedSize
		if known && (!ok || len(left) != 0) {
			return malformed(fmt.Sprintf("field %d is not an integer", field))
		}
		switch field {
		case payloadSize:
			size = value
		case payloadCompression:
			if value > 255 {
				return malformed(fmt.Sprintf("compression type %d", value))
			}
			p.Compression = Compression(value)
		case payloadUncompressedSize:
			p.UncompressedSize = value
		}
	}
	if size != uint64(len(body)) {
		return malformed(fmt.Sprintf("a payload of %d bytes in %d", size, len(body)))
	}
	p.Payload = body
	return p, nil
}
