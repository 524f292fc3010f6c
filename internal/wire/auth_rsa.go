package wire

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // the OAEP hash that MySQL clients use
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// RSAKey is the key pair with which a client without TLS hides its password in
// the full authentication of caching_sha2_password. It keeps out an
// eavesdropper, not a man in the middle, unless the client pins the public key.
// Safe for concurrent use.
type RSAKey struct {
	private *rsa.PrivateKey
	public  []byte // PEM
}

const rsaBits = 2048 // what mysqld generates; its longest is 16384

// GenerateRSAKey returns a new key pair of 2048 bits. It takes a noticeable part
// of a second: do it once per process.
func GenerateRSAKey() (*RSAKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, fmt.Errorf("generate RSA key for password exchange: %w", err)
	}
	return NewRSAKey(private)
}

// NewRSAKey uses an existing key pair, whose public part clients may have
// pinned.
func NewRSAKey(private *rsa.PrivateKey) (*RSAKey, error) {
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode RSA public key: %w", err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return &RSAKey{private: private, public: public}, nil
}

// PublicPEM returns the public key as the file that clients pin
// (--server-public-key-path), which is also what the key packet holds.
func (k *RSAKey) PublicPEM() []byte { return bytes.Clone(k.public) }

var errNotAPassword = errors.New("RSA block does not hold a password")

// DecryptPassword returns the password in a block of EncryptPassword. Every
// failure is the same error.
func (k *RSAKey) DecryptPassword(block []byte, nonce Nonce) ([]byte, error) {
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, k.private, block, nil)
	if err != nil {
		return nil, errNotAPassword
	}
	xorNonce(plain, nonce)
	return cleartextPassword(plain)
}

// EncryptPassword returns what a client sends in full authentication without
// TLS: the password and a NUL, XORed with the nonce over and over, encrypted
// with the server's key by OAEP with SHA-1 (sql-common/client_authentication.cc,
// caching_sha2_password_auth_client).
func EncryptPassword(key *rsa.PublicKey, password []byte, nonce Nonce) ([]byte, error) {
	plain := append(bytes.Clone(password), 0)
	xorNonce(plain, nonce)
	return rsa.EncryptOAEP(sha1.New(), rand.Reader, key, plain, nil)
}

// ParsePublicKey returns the key of a key packet's data or of a pinned file.
func ParsePublicKey(data []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("RSA public key is not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse RSA public key: %w", err)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key is %T, want RSA", key)
	}
	return public, nil
}

func xorNonce(p []byte, nonce Nonce) {
	for i := range p {
		p[i] ^= nonce[i%NonceLen]
	}
}

// cleartextPassword returns the password of a packet that holds it and a NUL,
// which must be the only one.
func cleartextPassword(p []byte) ([]byte, error) {
	n := bytes.IndexByte(p, 0)
	if n < 0 || n != len(p)-1 {
		return nil, errNotAPassword
	}
	return p[:n], nil
}
