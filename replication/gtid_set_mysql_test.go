package replication_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-sql-driver/mysql"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// Numbers of errors with which mysqld refuses a set's text and bytes.
const (
	malformedText     = 1772
	malformedEncoding = 1773
	fatalDumpError    = 1236
)

func seededRandom(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// A real server is asked what it makes of each text: its own form of the set, or a
// refusal; and what it makes of each two neighbours that both of us took.
func TestMySQLReadsAndCombinesSetsAsWeDo(t *testing.T) {
	db := testenv.NewMySQL(t, testenv.MySQLOptions{}).DB()
	random := seededRandom(t)
	previous, previousText := (*replication.GTIDSet)(nil), ""
	taken, refused := 0, 0
	for range 600 {
		text := randomSetText(random)
		set, err := replication.ParseGTIDSet(text)
		theirs, theirErr := gtidSubtract(t, db, text, "")
		switch {
		case err != nil && strings.Contains(err.Error(), "leading zero"):
			continue // see TestMySQLDisagreesWithItselfOnLeadingZeros
		case err != nil && theirErr != nil:
			refused++
			continue
		case err != nil || theirErr != nil || set.String() != theirs:
			t.Fatalf("%q: we %q, %v; the server %q, %v", text, set, err, theirs, theirErr)
		}
		taken++
		compareOperations(t, db, text, previousText, set, previous)
		previous, previousText = set, text
	}
	t.Logf("%d taken, %d refused", taken, refused)
	if taken < 100 || refused < 50 {
		t.Error("the texts are too much alike")
	}
}

func compareOperations(t *testing.T, db *sql.DB, textA, textB string, a, b *replication.GTIDSet) {
	t.Helper()
	var subset bool
	if err := db.QueryRow("SELECT GTID_SUBSET(?, ?)", textA, textB).Scan(&subset); err != nil {
		t.Fatal(err)
	}
	if subset != b.ContainsSet(a) {
		t.Fatalf("GTID_SUBSET(%q, %q) = %v", textA, textB, subset)
	}
	onlyA, err := gtidSubtract(t, db, textA, textB)
	if err != nil || onlyA != a.Subtract(b).String() {
		t.Fatalf("GTID_SUBTRACT(%q, %q) = %q, %v", textA, textB, onlyA, err)
	}
	both, err := gtidSubtract(t, db, textA, onlyA)
	if err != nil || both != a.Intersect(b).String() {
		t.Fatalf("%q and %q: %q, %v", textA, textB, both, err)
	}
	either, err := gtidSubtract(t, db, textA+","+textB, "")
	if err != nil || either != a.Union(b).String() {
		t.Fatalf("%q or %q: %q, %v", textA, textB, either, err)
	}
}

// gtidSubtract gives the server's answer, or its refusal of a text.
func gtidSubtract(t *testing.T, db *sql.DB, a, b string) (string, error) {
	t.Helper()
	var answer string
	err := db.QueryRow("SELECT GTID_SUBTRACT(?, ?)", a, b).Scan(&answer)
	var refusal *mysql.MySQLError
	if err != nil && (!errors.As(err, &refusal) || refusal.Number != malformedText) {
		t.Fatalf("GTID_SUBTRACT(%q, %q): %v", a, b, err)
	}
	return answer, err
}

// One server gives 010 two meanings, so ParseGTIDSet takes neither.
func TestMySQLDisagreesWithItselfOnLeadingZeros(t *testing.T) {
	db := testenv.NewMySQL(t, testenv.MySQLOptions{}).DB()
	const text = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:010"
	if answer, err := gtidSubtract(t, db, text, ""); err != nil || !strings.HasSuffix(answer, ":10") {
		t.Errorf("GTID_SUBTRACT: %q, %v", answer, err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var next string
	if _, err := conn.ExecContext(context.Background(), "SET gtid_next = '"+text+"'"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRowContext(context.Background(), "SELECT @@gtid_next").Scan(&next); err != nil || !strings.HasSuffix(next, ":8") {
		t.Errorf("gtid_next: %q, %v", next, err)
	}
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		t.Error(err)
	}
	if _, err := conn.ExecContext(context.Background(), "SET gtid_next = AUTOMATIC"); err != nil {
		t.Error(err)
	}
}

// randomSetText writes a set in one of the many ways that MySQL allows, and damages
// about half of the texts.
func randomSetText(r *rand.Rand) string {
	pick := func(choices ...string) string { return choices[r.IntN(len(choices))] }
	blank := func() string { return pick("", "", "", "", " ", "\n", "\t\r ") }
	var text strings.Builder
	token := func(s string) { text.WriteString(s + blank()) }
	token("")
	for range r.IntN(4) {
		uuid := fmt.Sprintf("%08x-e66b-11f1-83c0-00000000000a", r.IntN(3))
		token(pick(uuid, uuid, uuid, strings.ToUpper(uuid), "{"+uuid+"}", strings.ReplaceAll(uuid, "-", "")))
		for range r.IntN(6) {
			token(":")
			first := 1 + r.Int64N(15)
			switch r.IntN(5) {
			case 0:
				token(pick("a", "B", "_", "tag_1", "t0123456789012345678901234567890"))
			case 1, 2:
				token(fmt.Sprint(first))
			default:
				token(fmt.Sprint(first))
				token("-")
				token(fmt.Sprint(max(0, first+r.Int64N(6)-1)))
			}
		}
		token(pick(",", ",", ", ,"))
	}
	b := []byte(text.String())
	if r.IntN(2) == 0 {
		return string(b)
	}
	const alphabet = ":::,,--{} \n019aAfgz_+x"
	for range 1 + r.IntN(2) {
		i := r.IntN(len(b) + 1)
		b = append(b[:i:i], append([]byte{alphabet[r.IntN(len(alphabet))]}, b[min(len(b), i+r.IntN(2)):]...)...)
	}
	return string(b)
}

// A dump request that lacks a purged GTID is answered with the set that the server
// read in it, or with the error for a broken encoding: so it judges our encoder, and
// our decoder's idea of what is broken.
func TestMySQLDecodesSetsAsWeDo(t *testing.T) {
	server := testenv.NewMySQL(t, testenv.MySQLOptions{})
	// Apart from all that randomSetText writes.
	if _, err := server.DB().Exec("SET GLOBAL gtid_purged = '+ffffffff-ffff-ffff-ffff-ffffffffffff:1'"); err != nil {
		t.Fatal(err)
	}
	random := seededRandom(t)
	taken, refused := 0, 0
	for i := range 600 {
		wire := randomWire(random, i%2 == 0)
		set, err := replication.DecodeGTIDSet(wire)
		number, message := dumpError(t, server, i, wire)
		if number == malformedEncoding && err != nil {
			refused++
			continue
		}
		if number != fatalDumpError || err != nil || !strings.Contains(message, "'"+set.String()+"'") {
			t.Fatalf("%x: we %q, %v; the server %d %q", wire, set, err, number, message)
		}
		taken++
	}
	t.Logf("%d taken, %d refused", taken, refused)
	if taken < 250 || refused < 50 {
		t.Error("the encodings are too much alike")
	}
}

// randomWire encodes a set that is small enough for the server's message.
func randomWire(r *rand.Rand, whole bool) []byte {
	set := &replication.GTIDSet{}
	for range r.IntN(3) {
		u := replication.UUID{byte(r.IntN(3))}
		tag := []replication.Tag{"", "", "a", "b_1"}[r.IntN(4)]
		for range 1 + r.IntN(3) {
			first := 1 + r.Int64N(30)
			if err := set.AddInterval(u, tag, first, first+r.Int64N(5)); err != nil {
				panic(err)
			}
		}
	}
	wire := set.AppendWire(nil)
	if whole {
		return wire
	}
	switch i := r.IntN(len(wire)); r.IntN(4) {
	case 0:
		return wire[:i]
	case 1:
		return append(wire, byte(r.IntN(3)))
	case 2:
		wire[i] = byte(r.IntN(4))
	default:
		wire[i] ^= 1 << r.IntN(8)
	}
	return wire
}

// dumpError sends COM_BINLOG_DUMP_GTID with this set and gives the server's error.
func dumpError(t *testing.T, server *testenv.MySQL, i int, set []byte) (number uint16, message string) {
	t.Helper()
	conn, err := client.Connect(server.Addr(), "root", testenv.RootPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Execute("SET @source_binlog_checksum = 'NONE'"); err != nil {
		t.Fatal(err)
	}
	const throughGTID = 4
	packet := []byte{0, 0, 0, 0, 0x1e, throughGTID, 0}
	packet = binary.LittleEndian.AppendUint32(packet, uint32(1000+i))
	packet = binary.LittleEndian.AppendUint32(packet, 0) // no file name
	packet = binary.LittleEndian.AppendUint64(packet, 4)
	packet = binary.LittleEndian.AppendUint32(packet, uint32(len(set)))
	packet = append(packet, set...)
	conn.ResetSequence()
	if err := conn.WritePacket(packet); err != nil {
		t.Fatal(err)
	}
	answer, err := conn.ReadPacket()
	if err != nil || len(answer) < 9 || answer[0] != 0xff {
		t.Fatalf("%x: the server answers %q, %v", set, answer, err)
	}
	return binary.LittleEndian.Uint16(answer[1:]), string(answer[9:])
}
