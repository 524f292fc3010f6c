package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// fakeEvent returns bytes that pass for a binlog event of this size.
func fakeEvent(size int) []byte {
	event := randomBytes(size)
	event[4] = byte(replication.QUERY_EVENT)
	binary.LittleEndian.PutUint32(event[9:], uint32(size))
	binary.LittleEndian.PutUint16(event[17:], 0)
	return event
}

// TestGoMySQLReplicates lets go-mysql's replica log in, register and ask for a
// dump, which we decode, and read a dump that a Framer frames, up to events that
// need two packets.
func TestGoMySQLReplicates(t *testing.T) {
	gtids, err := mysql.ParseMysqlGTIDSet("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7")
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{19, 1000, MaxPart - 2, MaxPart - 1, MaxPart, MaxPart + 1, 50}
	tests := []struct {
		name  string
		start func(*replication.BinlogSyncer) (*replication.BinlogStreamer, error)
		want  any
	}{
		{"file and position", func(b *replication.BinlogSyncer) (*replication.BinlogStreamer, error) {
			return b.StartSync(mysql.Position{Name: "binlog.000007", Pos: 1234})
		}, BinlogDump{Position: 1234, Flags: DumpNonBlock, ServerID: 77, File: "binlog.000007"}},
		{"GTID", func(b *replication.BinlogSyncer) (*replication.BinlogStreamer, error) {
			return b.StartSyncGTID(gtids)
		}, BinlogDumpGTID{ServerID: 77, Position: 4, GTIDSet: gtids.Encode()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var registered RegisterReplica
			var dump any
			// go-mysql may hand out an ERR before events that it has received, so
			// ours waits until these were taken.
			taken := make(chan struct{})
			s := startServer(t, serverOptions{network: "tcp", plugin: CachingSHA2Password, serve: func(c *Conn, auth *Authenticated) {
				serveCommands(c, func(payload []byte) error {
					var err error
					switch Command(payload[0]) {
					case ComQuery:
						return c.WriteResultSet(&ResultSet{Columns: []Column{TextColumn("Variable_name", CollationUTF8MB40900AI, 256, FlagNotNull),
							TextColumn("Value", CollationUTF8MB40900AI, 4096, 0)}}, auth.Capabilities)
					case ComRegisterReplica:
						registered, err = DecodeRegisterReplica(payload)
						return errors.Join(err, c.WritePacket((&OK{}).Append(nil, auth.Capabilities)))
					case ComBinlogDump:
						dump, err = DecodeBinlogDump(payload)
					case ComBinlogDumpGTID:
						var d BinlogDumpGTID
						d, err = DecodeBinlogDumpGTID(payload)
						d.GTIDSet = bytes.Clone(d.GTIDSet)
						dump = d
					}
					if err := errors.Join(err, writeDump(c, sizes)); err != nil {
						return err
					}
					<-taken
					return c.WritePacket(Errorf(ERMasterFatalReadingLog, "could not find next log").Append(nil))
				})
			}})
			host, port, _ := net.SplitHostPort(s.addr)
			portNumber, _ := strconv.Atoi(port)
			syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
				ServerID: 77, Flavor: mysql.MySQLFlavor, Host: host, Port: uint16(portNumber), User: "both", Password: "secret",
				Localhost: "replica-1", RawModeEnabled: true, DisableRetrySync: true, DumpCommandFlag: uint16(DumpNonBlock),
				Logger: slog.New(slog.DiscardHandler),
			})
			defer syncer.Close()
			release := sync.OnceFunc(func() { close(taken) })
			defer release()
			stream, err := tt.start(syncer)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for _, size := range sizes {
				event, err := stream.GetEvent(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(event.RawData, fakeEvent(size)) {
					t.Errorf("event of %d bytes differs", size)
				}
			}
			release()
			if _, err := stream.GetEvent(ctx); errorNumber(err) != ERMasterFatalReadingLog {
				t.Errorf("end of the dump: %v", err)
			}
			syncer.Close()
			s.last(t)
			if want := (RegisterReplica{ServerID: 77, Host: "replica-1", User: "both", Port: uint16(portNumber)}); registered != want {
				t.Errorf("registered %+v, want %+v", registered, want)
			}
			if !reflect.DeepEqual(dump, tt.want) {
				t.Errorf("dump %+v, want %+v", dump, tt.want)
			}
		})
	}
}

// writeDump does what a dump loop does: it frames into a buffer of its own,
// writes that to the connection below, and gives the sequence number back.
func writeDump(c *Conn, sizes []int) error {
	var f Framer
	f.SetSequence(c.Sequence())
	buf := make([]byte, 0, 1<<20)
	for _, size := range sizes {
		event := fakeEvent(size)
		buf = f.Append(f.Start(buf, int64(1+size)), []byte{0})
		for len(event) > 0 {
			if cap(buf)-len(buf) < 1<<16 {
				if _, err := c.NetConn().Write(buf); err != nil {
					return err
				}
				buf = buf[:0]
			}
			n := min(1<<16-2*HeaderLen, len(event))
			buf, event = f.Append(buf, event[:n]), event[n:]
		}
	}
	if _, err := c.NetConn().Write(buf); err != nil {
		return err
	}
	c.SetSequence(f.Sequence())
	return nil
}
