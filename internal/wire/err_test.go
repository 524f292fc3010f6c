package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/mysql"
)

func TestErrorAsCaptured(t *testing.T) {
	e := Errorf(ERMasterFatalReadingLog, "Could not find first log file name in binary log index file")
	want := "\xff\xd4\x04#HY000Could not find first log file name in binary log index file"
	if got := e.Append(nil); string(got) != want {
		t.Errorf("encoded %q, want %q", got, want)
	}
	beforeGreeting := &Error{Number: ERConCount, Message: "Too many connections"}
	if got := beforeGreeting.Append(nil); string(got) != "\xff\x10\x04Too many connections" {
		t.Errorf("in place of the greeting: %q", got)
	}
	checkCutOff(t, e.Append(nil), 3, DecodeError)
}

func TestErrorStatesAreMySQLs(t *testing.T) {
	for _, number := range []uint16{ERConCount, EROutOfResources, ERHandshake, ERDBAccessDenied, ERAccessDenied, ERNoDB, ERUnknownCom,
		ERServerShutdown, ERParse, ERNoSuchThread, ERKillDenied, ERUnknown, ERNetPacketTooLarge, ERNetPacketsOutOfOrder,
		ERUnknownSystemVariable, ERTooManyUserConnections, ERUserLimitReached, ERSpecificAccessDenied, ERWrongValueForVar,
		ERMasterFatalReadingLog, ERUnknownStmtHandler, ERNotSupportedAuthMode, EROptionPreventsStatement, ERUnsupportedPS,
		ERSPDoesNotExist, ERQueryInterrupted, ERMalformedGTIDSet, ERMalformedPacket, ERSecureTransportRequired} {
		want, ok := mysql.MySQLState[number]
		if !ok {
			want = generalState
		}
		if got := Errorf(number, "").State; got != want {
			t.Errorf("%d (%s): state %s, want %s", number, mysql.MySQLErrName[number], got, want)
		}
	}
}

func TestErrorMessageIsCutAt512Bytes(t *testing.T) {
	for _, tt := range []struct {
		name, message string
		want          int
	}{
		{"fits", strings.Repeat("x", 512), 512},
		{"too long", strings.Repeat("x", 513), 512},
		{"character across the end", strings.Repeat("x", 511) + "é", 511},
		{"character up to the end", strings.Repeat("x", 510) + "éé", 512},
		{"four bytes across the end", strings.Repeat("x", 509) + "🐬", 509},
		{"no text at all", strings.Repeat("\x80", 600), 512 - utf8.UTFMax},
	} {
		e := Errorf(ERUnknown, "%s", tt.message)
		if got := len(e.Append(nil)) - 9; got != tt.want {
			t.Errorf("%s: %d bytes, want %d", tt.name, got, tt.want)
		}
		if e.Message != tt.message {
			t.Errorf("%s: the error itself was cut", tt.name)
		}
	}
}

func TestErrorIsAGoError(t *testing.T) {
	err := fmt.Errorf("dump: %w", Errorf(ERUnknownCom, "Unknown command"))
	if got := err.Error(); got != "dump: error 1047 (08S01): Unknown command" {
		t.Error(got)
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Number != ERUnknownCom {
		t.Errorf("%v", e)
	}
	beforeGreeting := &Error{Number: ERConCount, Message: "Too many connections"}
	if got := beforeGreeting.Error(); got != "error 1040: Too many connections" {
		t.Error(got)
	}
}

func FuzzError(f *testing.F) {
	f.Add([]byte("\xff\xd4\x04#HY000text"))
	f.Add([]byte("\xff\x10\x04Too many connections"))
	f.Add([]byte("\xff\x10\x04#0800"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := DecodeError(payload)
		if IsError(payload) != (err == nil) && len(payload) >= 3 {
			t.Fatalf("IsError = %v, error %v", IsError(payload), err)
		}
		if err != nil {
			if _, ok := errors.AsType[*MalformedError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		encoded := e.Append(nil)
		if len(e.Message) <= MaxMessage && !bytes.Equal(encoded, payload) {
			t.Fatalf("%q encoded as %q", payload, encoded)
		}
		if len(encoded) > 9+MaxMessage {
			t.Fatalf("%d bytes", len(encoded))
		}
	})
}
