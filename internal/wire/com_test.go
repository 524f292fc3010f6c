package wire

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestQueryAttributesAreLeftOut(t *testing.T) {
	tests := []struct {
		name, dump, want string
	}{
		{"of the manual's page on COM_QUERY", `03 01 01 00 01 fe 00 01 61 01 31
			73 65 6c 65 63 74 20 40 40 76 65 72 73 69 6f 6e 5f 63 6f 6d 6d 65 6e 74 20 6c 69 6d 69 74 20 31`,
			"select @@version_comment limit 1"},
		{"none, as captured", "03 00 01 53454c4543542031", "SELECT 1"},
		{"one of each kind of value", `03 0a 01 | ten parameters
			04 00 | the third is NULL
			01
			01 80 00 | TINY unsigned
			02 00 00 | SHORT
			fe 00 00 | STRING, NULL
			03 00 00 | LONG
			08 80 00 | LONGLONG
			04 00 00 | FLOAT
			05 00 00 | DOUBLE
			0c 00 01 64 | DATETIME named d
			06 00 00 | NULL type
			fd 00 02 6e6e | VAR_STRING
			ff | TINY
			0102 | SHORT
			01020304 | LONG
			0102030405060708 | LONGLONG
			00000000 | FLOAT
			0000000000000000 | DOUBLE
			04 e607 0b 16 | DATETIME
			03 616263 | VAR_STRING
			53454c4543542031`, "SELECT 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := unhex(t, tt.dump)
			got, err := DecodeQuery(payload, CapQueryAttributes)
			if err != nil || got.SQL != tt.want {
				t.Fatalf("decoded %q, %v, want %q", got.SQL, err, tt.want)
			}
			checkCutOff(t, payload, len(payload)-len(tt.want), func(p []byte) (Query, error) {
				return DecodeQuery(p, CapQueryAttributes)
			})
		})
	}
}

func TestQueryWithoutAttributes(t *testing.T) {
	got, err := DecodeQuery([]byte("\x03SELECT 1"), CapPluginAuth)
	if err != nil || got.SQL != "SELECT 1" {
		t.Errorf("decoded %q, %v", got.SQL, err)
	}
	if _, err := DecodeQuery([]byte("\x02db"), 0); err == nil {
		t.Error("another command was decoded")
	}
}

func TestQueryAttributesThatAreWrong(t *testing.T) {
	for name, dump := range map[string]string{
		"two parameter sets":      "03 00 02",
		"no types":                "03 01 01 00 00 31",
		"more than there are":     "03 fe ffffffffffffffff 01 00",
		"count that is no number": "03 fb 01",
	} {
		if _, err := DecodeQuery(unhex(t, dump), CapQueryAttributes); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func TestRegisterReplica(t *testing.T) {
	payload := unhex(t, "15 02000000 06 686f73742d31 04 7265706c 06 736563726574 ea0c 00000000 09000000")
	got, err := DecodeRegisterReplica(payload)
	want := RegisterReplica{ServerID: 2, Host: "host-1", User: "repl", Port: 3306, SourceID: 9}
	if err != nil || got != want {
		t.Errorf("decoded %+v, %v, want %+v", got, err, want)
	}
	if bytes.Contains(got.Append(nil), []byte("secret")) {
		t.Error("the password survived")
	}
	checkCutOff(t, payload, len(payload), DecodeRegisterReplica)

	for _, reg := range []RegisterReplica{{User: strings.Repeat("u", 97)}, {User: strings.Repeat("u", 255)}} {
		if _, err := DecodeRegisterReplica(reg.Append(nil)); err == nil || errors.Is(err, ErrTruncated) {
			t.Errorf("too long: %v", err)
		}
	}
	longPassword := append([]byte("\x15\x01\x00\x00\x00\x00\x00\x21"), make([]byte, 33+10)...)
	_, err = DecodeRegisterReplica(longPassword)
	if err == nil || !strings.Contains(err.Error(), "report_password") {
		t.Errorf("too long a password: %v", err)
	}
}

func TestBinlogDump(t *testing.T) {
	tests := []struct {
		name, dump string
		want       BinlogDump
	}{
		{"MySQL 9.7 replica", "12 04000000 0200 02000000 62696e6c6f672e303030303031",
			BinlogDump{Position: 4, Flags: DumpHeartbeatV2, ServerID: 2, File: "binlog.000001"}},
		{"mysqlbinlog", "12 9d000000 0100 00000000 62696e6c6f672e303030303031",
			BinlogDump{Position: 157, Flags: DumpNonBlock, File: "binlog.000001"}},
		{"zongji ends the name with a NUL", "12 04000000 0000 01000000 62696e6c6f672e30303030303100",
			BinlogDump{Position: 4, ServerID: 1, File: "binlog.000001"}},
		{"zongji without a name", "12 04000000 0000 01000000 00", BinlogDump{Position: 4, ServerID: 1}},
		{"MariaDB replica by GTID", "12 04000000 0200 02000000", BinlogDump{Position: 4, Flags: DumpHeartbeatV2, ServerID: 2}},
		{"python on MariaDB", "12 04000000 0200 02000000 00000000", BinlogDump{Position: 4, Flags: DumpHeartbeatV2, ServerID: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := unhex(t, tt.dump)
			got, err := DecodeBinlogDump(payload)
			if err != nil || got != tt.want {
				t.Errorf("decoded %+v, %v, want %+v", got, err, tt.want)
			}
			if encoded := got.Append(nil); !bytes.Equal(encoded, bytes.TrimRight(payload, "\x00")) && len(payload) > 11 && got.File != "" {
				t.Errorf("encoded % x", encoded)
			}
		})
	}
	checkCutOff(t, unhex(t, tests[0].dump), 11, DecodeBinlogDump)
}

const taggedSet = `01 03 00 00 00 00 00 01
	07ff2e57 1e2f 11ef 8000 000000000001 00 01000000 00000000 0100000000000000 0900000000000000
	aaaaaaaa aaaa aaaa aaaa aaaaaaaaaaaa 00 01000000 00000000 0700000000000000 0800000000000000
	aaaaaaaa aaaa aaaa aaaa aaaaaaaaaaaa 0e 7461675f6f6e65 02000000 00000000
	0100000000000000 0200000000000000 0500000000000000 0600000000000000`

func TestBinlogDumpGTID(t *testing.T) {
	empty := unhex(t, "0000000000000000")
	tests := []struct {
		name, dump string
		want       BinlogDumpGTID
	}{
		{"MySQL replica", "1e 0200 02000000 00000000 0400000000000000 08000000 0000000000000000",
			BinlogDumpGTID{Flags: DumpHeartbeatV2, ServerID: 2, Position: 4, GTIDSet: empty}},
		{"mysqlbinlog names the file", "1e 0100 00000000 0d000000 62696e6c6f672e303030303031 0400000000000000 08000000 0000000000000000",
			BinlogDumpGTID{Flags: DumpNonBlock, File: "binlog.000001", Position: 4, GTIDSet: empty}},
		{"python's name is three NULs", "1e 0500 02000000 03000000 000000 0400000000000000 08000000 0000000000000000",
			BinlogDumpGTID{Flags: DumpThroughGTID | DumpNonBlock, ServerID: 2, Position: 4, GTIDSet: empty}},
		{"no set: for the caller to answer 1773", "1e 0000 02000000 00000000 0400000000000000 00000000",
			BinlogDumpGTID{ServerID: 2, Position: 4, GTIDSet: []byte{}}},
		{"64-bit position", "1e 0000 02000000 00000000 00000000 01000000 00000000",
			BinlogDumpGTID{ServerID: 2, Position: 1 << 32, GTIDSet: []byte{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := unhex(t, tt.dump)
			got, err := DecodeBinlogDumpGTID(payload)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("decoded %+v, %v, want %+v", got, err, tt.want)
			}
			if encoded := got.Append(nil); !strings.HasPrefix(tt.name, "python") && !bytes.Equal(encoded, payload) {
				t.Errorf("encoded % x, want % x", encoded, payload)
			}
			checkCutOff(t, payload, len(payload), DecodeBinlogDumpGTID)
		})
	}
	tagged := unhex(t, taggedSet)
	d := BinlogDumpGTID{Position: 4, GTIDSet: tagged}
	if got, err := DecodeBinlogDumpGTID(d.Append(nil)); err != nil || !bytes.Equal(got.GTIDSet, tagged) {
		t.Errorf("tagged set: % x, %v", got.GTIDSet, err)
	}
	long := BinlogDumpGTID{File: strings.Repeat("b", 512)}
	if _, err := DecodeBinlogDumpGTID(long.Append(nil)); err != nil {
		t.Error(err)
	}
	long.File += "b"
	if _, err := DecodeBinlogDumpGTID(long.Append(nil)); !errors.Is(err, errFileNameTooLong) {
		t.Errorf("name of 513 bytes: %v", err)
	}
}

func FuzzQuery(f *testing.F) {
	f.Add([]byte("\x03SELECT 1"), false)
	f.Add([]byte("\x03\x00\x01SET @master_binlog_checksum= @@global.binlog_checksum"), true)
	f.Add([]byte("\x03\x01\x01\x00\x01\xfe\x00\x01a\x011select @@version_comment limit 1"), true)
	f.Add([]byte("\x03\x02\x01\x02\x01\x0c\x00\x00\x08\x80\x00\x04\xe6\x07\x0b\x16x"), true)
	f.Fuzz(func(t *testing.T, payload []byte, attributes bool) {
		var caps Capabilities
		if attributes {
			caps = CapQueryAttributes
		}
		q, err := DecodeQuery(payload, caps)
		if err != nil {
			if _, ok := errors.AsType[*MalformedError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		if !strings.HasSuffix(string(payload), q.SQL) || !attributes && len(q.SQL) != len(payload)-1 {
			t.Fatalf("%q from %q", q.SQL, payload)
		}
	})
}

func FuzzInitDB(f *testing.F) {
	f.Add([]byte("\x02information_schema"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, ok := checkDecoder(t, payload, DecodeInitDB, func(d InitDB) []byte { return d.Append(nil) })
		if ok && !bytes.Equal(m.Append(nil), payload) {
			t.Fatalf("% x encoded as % x", payload, m.Append(nil))
		}
	})
}

func FuzzRegisterReplica(f *testing.F) {
	f.Add(unhex(f, "15 02000000 06 686f73742d31 04 7265706c 06 736563726574 ea0c 00000000 09000000"))
	f.Add(unhex(f, "15 02000000 00 00 00 0000 00000000 00000000"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		checkDecoder(t, payload, DecodeRegisterReplica, func(r RegisterReplica) []byte { return r.Append(nil) })
	})
}

func FuzzBinlogDump(f *testing.F) {
	f.Add(unhex(f, "12 04000000 0200 02000000 62696e6c6f672e303030303031"))
	f.Add(unhex(f, "12 04000000 0000 01000000 00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, ok := checkDecoder(t, payload, DecodeBinlogDump, func(d BinlogDump) []byte { return d.Append(nil) })
		if encoded := m.Append(nil); ok && !bytes.HasPrefix(payload, encoded) {
			t.Fatalf("% x encoded as % x", payload, encoded)
		}
	})
}

func FuzzBinlogDumpGTID(f *testing.F) {
	f.Add(unhex(f, "1e 0200 02000000 00000000 0400000000000000 08000000 0000000000000000"))
	f.Add(unhex(f, "1e 0500 02000000 03000000 000000 0400000000000000 00000000"))
	f.Add((&BinlogDumpGTID{Flags: DumpNonBlock, File: "binlog.000001", Position: 4, GTIDSet: unhex(f, taggedSet)}).Append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, ok := checkDecoder(t, payload, DecodeBinlogDumpGTID, func(d BinlogDumpGTID) []byte { return d.Append(nil) })
		if !ok {
			return
		}
		// The name on the wire may be longer than what counts of it; all else must be there as it is.
		if encoded := m.Append(nil); len(encoded) > len(payload) || !bytes.Contains(payload, encoded[11:11+len(m.File)]) ||
			!bytes.Contains(payload, m.GTIDSet) {
			t.Fatalf("% x encoded as % x", payload, encoded)
		}
	})
}
