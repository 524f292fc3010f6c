package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
)

// CachingSHA2Password is the plug-in name of caching_sha2_password, the default
// of MySQL since 8.0.
const CachingSHA2Password = "caching_sha2_password"

// What the plug-in's two sides say to each other in one byte
// (sql/auth/sha2_password.cc).
const (
	cachingSHA2FastOK     = 0x03 // in AuthMoreData; OK follows
	cachingSHA2NeedsFull  = 0x04 // in AuthMoreData; the client must send the password
	cachingSHA2RequestKey = 0x02 // from a client without TLS that has no public key
)

// CachingSHA2Verifier is SHA256(SHA256(password)), what mysqld caches after a
// first full authentication and what its fast path needs. Whoever has it and
// sees one login can log in: keep it like a password. It does not print.
type CachingSHA2Verifier [sha256.Size]byte

// NewCachingSHA2Verifier returns the verifier of a password.
func NewCachingSHA2Verifier(password []byte) CachingSHA2Verifier {
	once := sha256.Sum256(password)
	return sha256.Sum256(once[:])
}

// CachingSHA2Response returns what a client sends on the fast path for a
// password and the server's nonce: SHA256(password) XOR
// SHA256(SHA256(SHA256(password)), nonce), or nothing for an empty password
// (sql/auth/sha2_password_common.cc, Generate_scramble; note that the order
// inside the hash is not that of the native plug-in).
func CachingSHA2Response(password []byte, nonce Nonce) []byte {
	if len(password) == 0 {
		return nil
	}
	once := sha256.Sum256(password)
	mask := CachingSHA2Verifier(sha256.Sum256(once[:])).mask(nonce)
	subtle.XORBytes(mask[:], mask[:], once[:])
	return mask[:]
}

// Verify reports whether response, that of the fast path, proves knowledge of
// the password. An empty response, or a single NUL, claims the empty password.
func (v CachingSHA2Verifier) Verify(response []byte, nonce Nonce) bool {
	if isEmptyPassword(response) {
		return v.VerifyPassword(nil)
	}
	if len(response) != sha256.Size {
		return false
	}
	once := v.mask(nonce)
	subtle.XORBytes(once[:], once[:], response)
	twice := sha256.Sum256(once[:])
	return subtle.ConstantTimeCompare(twice[:], v[:]) == 1
}

// VerifyPassword reports whether v is the verifier of password.
func (v CachingSHA2Verifier) VerifyPassword(password []byte) bool {
	other := NewCachingSHA2Verifier(password)
	return subtle.ConstantTimeCompare(other[:], v[:]) == 1
}

func (v CachingSHA2Verifier) mask(nonce Nonce) [sha256.Size]byte {
	return sha256.Sum256(append(v[:], nonce[:]...))
}

// Format prints a placeholder, whatever the verb.
func (v CachingSHA2Verifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder, so that neither JSON nor a log shows it.
func (v CachingSHA2Verifier) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// isEmptyPassword reports whether auth data says "my password is empty": most
// clients send nothing, libmysql's caching_sha2_password a NUL.
func isEmptyPassword(response []byte) bool {
	return len(response) == 0 || len(response) == 1 && response[0] == 0
}
