package wire

import (
	"fmt"
	"io"
)

// NonceLen is the size of a nonce (SCRAMBLE_LENGTH).
const NonceLen = 20

// Nonce is the random challenge of one authentication, called scramble or auth
// plug-in data elsewhere.
type Nonce [NonceLen]byte

// NewNonce takes a nonce from random, which must be unpredictable. No byte is 0,
// because clients handle it as a C string, or '$', which separates fields in
// MySQL's stored SHA-2 hashes (mysys/crypt_genhash_impl.cc, generate_user_salt).
func NewNonce(random io.Reader) (Nonce, error) {
	var n Nonce
	for good := 0; good < len(n); {
		fresh := n[good:]
		if _, err := io.ReadFull(random, fresh); err != nil {
			return Nonce{}, fmt.Errorf("read random bytes for a nonce: %w", err)
		}
		// Seven bits, as mysqld. What may not be used is left out and drawn
		// again, so the others stay equally likely.
		for _, b := range fresh {
			if b &= 0x7f; b != 0 && b != '$' {
				n[good] = b
				good++
			}
		}
	}
	return n, nil
}
