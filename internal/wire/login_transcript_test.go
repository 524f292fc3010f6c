package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// What clients send and get, byte for byte, with the capabilities that were captured
// of them. The proofs were computed by another program, for the password "secret" and
// these nonces.
const (
	firstNonce  = "abcdefghijklmnopqrst"
	secondNonce = "ABCDEFGHIJKLMNOPQRST"

	nativeFirst  = "8817c50fa779daef010ee7577825b0847df9842e"
	nativeSecond = "28441590674285e7d03cae7af237504797f70e91"
	sha2First    = "c76e2898612a4cf042c77fa8c4702c4c64c0c2c557c53c4d75595aaa6abae809"
	sha2Second   = "d721e183c1f036a196c1389201b8d53f38064a16f1d0923683ab886763152d75"
)

// response is a handshake response in hex: capabilities, max packet size, collation
// and the rest behind the 23 zeros.
func response(capabilities, maxPacket, collation, rest string) string {
	return capabilities + maxPacket + collation + strings.Repeat("00", 23) + rest
}

func text(s string) string { return hex.EncodeToString([]byte(s)) }

func TestLoginTranscripts(t *testing.T) {
	const user = "726570" + "6c00" // "repl" NUL
	greeting := func(plugin string) string {
		return "0a" + text("8.4.6") + "00" + "2a000000" + text(firstNonce[:8]) + "00" + "%s" +
			strings.Repeat("00", 10) + text(firstNonce[8:]) + "00" + text(plugin) + "00"
	}
	const (
		switchToNative = "fe" + "6d7973716c5f6e61746976655f70617373776f726400" + "4142434445464748494a4b4c4d4e4f5051525354" + "00"
		switchToSHA2   = "fe" + "63616368696e675f736861325f70617373776f726400" + "4142434445464748494a4b4c4d4e4f5051525354" + "00"
		ok             = "00000002000000"
	)
	nativeName, sha2Name := text(NativePassword)+"00", text(CachingSHA2Password)+"00"
	both, nativeOnly, sha2Only := accountWith("secret", NativePassword, CachingSHA2Password), accountWith("secret", NativePassword), accountWith("secret", CachingSHA2Password)
	for _, tt := range []struct {
		name     string
		greeting string // plug-in
		account  Account
		packets  []string // of client and server in turn, behind the greeting; the client's first
	}{
		{"MySQL 5.7.22 replica", CachingSHA2Password, both, []string{
			response("05a2b881", "00000040", "08", user+"00"+nativeName+"00"), switchToNative, nativeSecond, ok}},
		{"MariaDB 10.2 to 11.4 replica", CachingSHA2Password, both, []string{
			response("05a23880", "00001000", "08", user+"00"+nativeName+"00"), switchToNative, nativeSecond, ok}},
		{"MariaDB 11.8.6 replica, collation 0", CachingSHA2Password, nativeOnly, []string{
			response("05a23880", "00001000", "00", user+"00"+nativeName+"00"), switchToNative, nativeSecond, ok}},
		{"MySQL 8.0.15 replica, account of both", CachingSHA2Password, both, []string{
			response("05a2b881", "00000040", "ff", user+"20"+sha2First+sha2Name+"00"), "0103", "", ok}},
		{"MySQL 9.7 replica, native account", CachingSHA2Password, nativeOnly, []string{
			response("85a2b899", "00000040", "ff", user+"20"+sha2First+sha2Name+"00"), switchToNative, nativeSecond, ok}},
		{"MySQL 9.7 replica, native greeting", NativePassword, both, []string{
			response("85a2b899", "00000040", "ff", user+"14"+nativeFirst+nativeName+"00"), ok}},
		{"MySQL 9.7 replica, native greeting, caching_sha2 account", NativePassword, sha2Only, []string{
			response("85a2b899", "00000040", "ff", user+"14"+nativeFirst+nativeName+"00"), switchToSHA2, sha2Second, "0103", "", ok}},
		{"Canal 1.1.7, which hashes for native whatever is greeted", CachingSHA2Password, both, []string{
			response("05a60900", "ffffff00", "21", user+"14"+nativeFirst+nativeName), switchToNative, nativeSecond, ok}},
		{"ClickHouse, which knows no switch", NativePassword, both, []string{
			response("08a20800", "00000001", "08", user+"14"+nativeFirst+text("db")+"00"+nativeName), ok}},
		{"the JavaScript driver, without a plug-in's name", NativePassword, nativeOnly, []string{
			response("0fa20800", "00000000", "21", user+"14"+nativeFirst+text("db")+"00"), switchToNative, nativeSecond, ok}},
		{"5.7 replica, account that it cannot use", CachingSHA2Password, sha2Only, []string{
			response("05a2b881", "00000040", "08", user+"00"+nativeName+"00"), switchToSHA2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			step := 0
			next := func([]byte) []byte {
				if step >= len(tt.packets) {
					return nil
				}
				answer, err := hex.DecodeString(tt.packets[step])
				if err != nil {
					t.Fatal(err)
				}
				step += 2
				if len(answer) == 0 {
					return nil // the server goes on by itself
				}
				return answer
			}
			login := ServerLogin{Greeting: testGreeting(tt.greeting), Accounts: mapAccounts{"repl": tt.account}, Random: strings.NewReader(firstNonce + secondNonce)}
			auth, peer, err := runLogin(login, next)
			lower, upper := uint16(testCapabilities&0xffff), uint16(testCapabilities>>16)
			flags := fmt.Sprintf("%02x%02xff0200%02x%02x15", byte(lower), byte(lower>>8), byte(upper), byte(upper>>8))
			want := []string{fmt.Sprintf(greeting(tt.greeting), flags)}
			for i := 1; i < len(tt.packets); i += 2 {
				want = append(want, tt.packets[i])
			}
			var got []string
			for _, p := range peer.sent {
				got = append(got, hex.EncodeToString(p))
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("the server sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if last := want[len(want)-1]; (last == ok) != (auth != nil) {
				t.Errorf("authenticated %+v, %v", auth, err)
			}
		})
	}
	if !bytes.Equal(NativeResponse([]byte("secret"), Nonce([]byte(firstNonce))), mustHex(nativeFirst)) {
		t.Error("another proof")
	}
}

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
