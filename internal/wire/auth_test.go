package wire

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/go-mysql-org/go-mysql/mysql"
)

var passwords = []string{"", "x", "secret", "pässwörd", strings.Repeat("long", 40), "with 'quotes' and \x01"}

// testKey is one key pair for all tests, because making it takes time.
var testKey = sync.OnceValue(func() *RSAKey {
	key, err := GenerateRSAKey()
	if err != nil {
		panic(err)
	}
	return key
})

func newTestNonce(t testing.TB) Nonce {
	nonce, err := NewNonce(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return nonce
}

func TestResponsesAreThoseOfAnotherImplementation(t *testing.T) {
	for _, password := range passwords {
		nonce := newTestNonce(t)
		p := []byte(password)
		if got, want := NativeResponse(p, nonce), mysql.CalcNativePassword(nonce[:], p); !bytes.Equal(got, want) {
			t.Errorf("native response to %q: % x, want % x", password, got, want)
		}
		if got, want := CachingSHA2Response(p, nonce), mysql.CalcCachingSha2Password(nonce[:], p); !bytes.Equal(got, want) {
			t.Errorf("caching_sha2 response to %q: % x, want % x", password, got, want)
		}
	}
}

// The stored form of mysql_native_password is public: PASSWORD('secret') of any
// MySQL server up to 5.7.
func TestNativeVerifierIsWhatMySQLStores(t *testing.T) {
	want := unhex(t, "14E65567ABDB5135D0CFD9A70B3032C179A49EE7")
	if got := NewNativeVerifier([]byte("secret")); !bytes.Equal(got[:], want) {
		t.Errorf("% X, want % X", got[:], want)
	}
}

func TestVerifiersAcceptOnlyTheirPassword(t *testing.T) {
	for _, right := range passwords {
		native, caching := NewNativeVerifier([]byte(right)), NewCachingSHA2Verifier([]byte(right))
		nonce, otherNonce := newTestNonce(t), newTestNonce(t)
		for _, tried := range passwords {
			p := []byte(tried)
			want := tried == right
			// go-mysql answers, so that our response does not vouch for our verifier.
			nativeResponse, cachingResponse := mysql.CalcNativePassword(nonce[:], p), mysql.CalcCachingSha2Password(nonce[:], p)
			for name, got := range map[string]bool{
				"native":                native.Verify(nativeResponse, nonce),
				"caching_sha2":          caching.Verify(cachingResponse, nonce),
				"native password":       native.VerifyPassword(p),
				"caching_sha2 password": caching.VerifyPassword(p),
			} {
				if got != want {
					t.Errorf("%s: %q for %q: %v", name, tried, right, got)
				}
			}
			if tried == "" {
				continue
			}
			if native.Verify(nativeResponse, otherNonce) || caching.Verify(cachingResponse, otherNonce) {
				t.Errorf("%q: response to another nonce was accepted", tried)
			}
		}
	}
}

func TestResponsesOfTheWrongLengthProveNothing(t *testing.T) {
	native, caching := NewNativeVerifier([]byte("secret")), NewCachingSHA2Verifier([]byte("secret"))
	nonce := newTestNonce(t)
	for n := range 70 {
		response := make([]byte, n)
		copy(response, CachingSHA2Response([]byte("secret"), nonce))
		if got := caching.Verify(response, nonce); got != (n == 32) {
			t.Errorf("caching_sha2, %d bytes: %v", n, got)
		}
		copy(response, NativeResponse([]byte("secret"), nonce))
		if got := native.Verify(response, nonce); got != (n == 20) {
			t.Errorf("native, %d bytes: %v", n, got)
		}
	}
}

func TestVerifiersDoNotPrint(t *testing.T) {
	native, caching := NewNativeVerifier([]byte("secret")), NewCachingSHA2Verifier([]byte("secret"))
	var out bytes.Buffer
	for _, v := range []any{native, caching, &native, &caching} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b"} {
			if got := fmt.Sprintf(verb, v); strings.Trim(got, `"`) != redacted {
				t.Errorf("%s of %T prints %s", verb, v, got)
			}
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("account", "verifier", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("account", "verifier", v)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("account", "account", Account{Native: &native, CachingSHA2: &caching})
	if got := strings.Count(out.String(), redacted); got != 10 {
		t.Errorf("%d of 10 verifiers in the log are redacted:\n%s", got, out.String())
	}
}

func TestPasswordThroughRSA(t *testing.T) {
	key, nonce := testKey(), newTestNonce(t)
	public, err := ParsePublicKey(key.PublicPEM())
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range passwords {
		ours, err := EncryptPassword(public, []byte(password), nonce)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := mysql.EncryptPassword(password, nonce[:], public)
		if err != nil {
			t.Fatal(err)
		}
		for by, block := range map[string][]byte{"us": ours, "go-mysql": theirs} {
			if got, err := key.DecryptPassword(block, nonce); err != nil || string(got) != password {
				t.Errorf("%q encrypted by %s: %q, %v", password, by, got, err)
			}
		}
		if got, err := key.DecryptPassword(ours, newTestNonce(t)); err == nil && string(got) == password {
			t.Errorf("%q came out with another nonce", password)
		}
	}
}

func TestEveryBadRSABlockIsTheSameError(t *testing.T) {
	key, nonce := testKey(), newTestNonce(t)
	encrypt := func(plain string) []byte {
		p := []byte(plain)
		xorNonce(p, nonce)
		block, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &key.private.PublicKey, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		return block
	}
	good := encrypt("secret\x00")
	if got, err := key.DecryptPassword(good, nonce); err != nil || string(got) != "secret" {
		t.Fatalf("%q, %v", got, err)
	}
	for name, block := range map[string][]byte{
		"empty":            nil,
		"short":            good[:255],
		"long":             append(bytes.Clone(good), 0),
		"all zero":         make([]byte, 256),
		"all ones":         bytes.Repeat([]byte{0xff}, 256),
		"flipped bit":      append(bytes.Clone(good[:255]), good[255]^1),
		"no NUL":           encrypt("secret"),
		"NUL inside":       encrypt("sec\x00ret\x00"),
		"nothing in block": encrypt(""),
	} {
		if got, err := key.DecryptPassword(block, nonce); err != errNotAPassword || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestPublicKeysThatAreNone(t *testing.T) {
	for _, data := range []string{"", "ssh-rsa AAAA", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		// An Ed25519 key.
		"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"} {
		if _, err := ParsePublicKey([]byte(data)); err == nil {
			t.Errorf("%q is a key", data)
		}
	}
}

func TestNonceBytesSurviveCStrings(t *testing.T) {
	// All byte values in turn: the ones that may not be used are drawn again.
	all := make([]byte, 0, 2048)
	for i := range 2048 {
		all = append(all, byte(i))
	}
	random := bytes.NewReader(all)
	seen := make(map[byte]bool)
	for range 70 {
		nonce, err := NewNonce(random)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range nonce {
			seen[b] = true
		}
	}
	if seen[0] || seen['$'] || len(seen) != 126 {
		t.Errorf("%d byte values used, NUL %v, $ %v", len(seen), seen[0], seen['$'])
	}
	if _, err := NewNonce(strings.NewReader("too short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("source ran dry: %v", err)
	}
}

func TestNoncesDiffer(t *testing.T) {
	seen := make(map[Nonce]bool)
	for range 100_000 {
		n := newTestNonce(t)
		if seen[n] {
			t.Fatalf("nonce %q twice", n)
		}
		seen[n] = true
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("secret"), []byte("secret"))
	f.Add([]byte(""), []byte("x"))
	f.Fuzz(func(t *testing.T, password, response []byte) {
		nonce := newTestNonce(t)
		if NewNativeVerifier(password).Verify(NativeResponse(password, nonce), nonce) != true ||
			NewCachingSHA2Verifier(password).Verify(CachingSHA2Response(password, nonce), nonce) != true {
			t.Fatalf("%q does not prove itself", password)
		}
		if len(password) == 0 || isEmptyPassword(response) {
			return
		}
		// The nonce is random, so no fixed response can be a proof.
		if NewNativeVerifier(password).Verify(response, nonce) || NewCachingSHA2Verifier(password).Verify(response, nonce) {
			t.Fatalf("%q proves %q", response, password)
		}
	})
}
