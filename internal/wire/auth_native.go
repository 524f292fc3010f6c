package wire

import (
	"crypto/sha1" // what mysql_native_password is made of
	"crypto/subtle"
	"fmt"
	"io"
)

// NativePassword is the plug-in name of mysql_native_password, the only one that
// MySQL 5.7 replicas, MariaDB replicas and ClickHouse know.
const NativePassword = "mysql_native_password"

// NativeVerifier is SHA1(SHA1(password)), what mysql.user holds for
// mysql_native_password. Whoever has it and sees one login can log in: keep it
// like a password. It does not print.
type NativeVerifier [sha1.Size]byte

// NewNativeVerifier returns the verifier of a password.
func NewNativeVerifier(password []byte) NativeVerifier {
	once := sha1.Sum(password)
	return sha1.Sum(once[:])
}

// NativeResponse returns what a client sends for a password and the server's
// nonce: SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password))), or nothing for
// an empty password (sql/auth/password.cc, scramble).
func NativeResponse(password []byte, nonce Nonce) []byte {
	if len(password) == 0 {
		return nil
	}
	once := sha1.Sum(password)
	mask := NativeVerifier(sha1.Sum(once[:])).mask(nonce)
	subtle.XORBytes(mask[:], mask[:], once[:])
	return mask[:]
}

// Verify reports whether response proves knowledge of the password. An empty
// response claims the empty password.
func (v NativeVerifier) Verify(response []byte, nonce Nonce) bool {
	if len(response) == 0 {
		return v.VerifyPassword(nil)
	}
	if len(response) != sha1.Size {
		return false
	}
	once := v.mask(nonce)
	subtle.XORBytes(once[:], once[:], response)
	twice := sha1.Sum(once[:])
	return subtle.ConstantTimeCompare(twice[:], v[:]) == 1
}

// VerifyPassword reports whether v is the verifier of password.
func (v NativeVerifier) VerifyPassword(password []byte) bool {
	other := NewNativeVerifier(password)
	return subtle.ConstantTimeCompare(other[:], v[:]) == 1
}

func (v NativeVerifier) mask(nonce Nonce) [sha1.Size]byte {
	return sha1.Sum(append(nonce[:], v[:]...))
}

// Format prints a placeholder, whatever the verb.
func (v NativeVerifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder, so that neither JSON nor a log shows it.
func (v NativeVerifier) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const redacted = "[redacted]"
