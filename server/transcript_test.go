package server

import (
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// The statements of replicas and mysqlbinlog, in their order, with the value that
// the client takes from the answer.
func TestTranscripts(t *testing.T) {
	type step struct{ text, want string }
	transcripts := []struct {
		name  string
		caps  wire.Capabilities
		steps []step
	}{
		{"replica 5.7 and before 8.0.26", wire.CapDeprecateEOF, []step{
			{"SELECT @@GLOBAL.SERVER_ID", "77"},
			{"SET @master_heartbeat_period= 30000001024", ""},
			{"SET @master_binlog_checksum= @@global.binlog_checksum", ""},
			{"SELECT @master_binlog_checksum", "CRC32"},
			{"SELECT @@GLOBAL.GTID_MODE", "ON"},
			{"SELECT @@GLOBAL.SERVER_UUID", sourceUUID},
			{"SET @slave_uuid= '6ccd780c-baba-1026-9564-5b8c656024db'", ""},
			{"SELECT @@global.rpl_semi_sync_master_enabled", "1193"},
		}},
		{"replica since 8.0.26, 8.4, 9.7", wire.CapDeprecateEOF, []step{
			{"SELECT @@GLOBAL.SERVER_ID", "77"},
			{"SET @master_heartbeat_period = 30000001024, @source_heartbeat_period = 30000001024", ""},
			{"SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum", ""},
			{"SELECT @source_binlog_checksum", "CRC32"},
			{"SELECT @@GLOBAL.GTID_MODE", "ON"},
			{"SELECT @@GLOBAL.SERVER_UUID", sourceUUID},
			{"SET @slave_uuid = '6ccd780c-baba-1026-9564-5b8c656024db', @replica_uuid = '6ccd780c-baba-1026-9564-5b8c656024db'", ""},
			{"SELECT @@global.rpl_semi_sync_source_enabled", "1193"},
		}},
		{"mysqlbinlog since 8.0.26", wire.CapDeprecateEOF, []step{
			{"SELECT VERSION()", "9.7.4"},
			{"SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE'", ""},
		}},
		{"mysqlbinlog 5.7", 0, []step{
			{"SELECT VERSION()", "9.7.4"},
			{"SET @master_binlog_checksum='NONE'", ""},
		}},
		{"replica 5.6", 0, []step{
			{"SHOW VARIABLES LIKE 'SERVER_ID'", "77"},
			{"SHOW VARIABLES LIKE 'SERVER_UUID'", sourceUUID},
		}},
	}
	ts := startServer(t, nil)
	for _, transcript := range transcripts {
		t.Run(transcript.name, func(t *testing.T) {
			c := connect(t, ts, transcript.caps)
			if now := c.mustQuery("SELECT UNIX_TIMESTAMP()"); len(now) < 10 {
				t.Errorf("UNIX_TIMESTAMP() is %q", now)
			}
			for _, step := range transcript.steps {
				a, e := c.query(step.text)
				got := ""
				switch {
				case e != nil && e.Number == wire.ERUnknownSystemVariable:
					got = "1193"
				case e != nil:
					t.Errorf("%s: %v", step.text, e)
				case len(a.rows) > 0:
					got = a.rows[0][len(a.rows[0])-1]
				}
				if got != step.want {
					t.Errorf("%s: got %q, want %q", step.text, got, step.want)
				}
			}
			register := wire.RegisterReplica{ServerID: 5, Host: "replica", Port: 3306}
			if p := c.command(register.Append(nil)...); p[0] != 0 {
				t.Errorf("COM_REGISTER_SLAVE: %q", p)
			}
			a, _ := c.query("SHOW REPLICAS")
			if len(a.rows) != 1 || strings.Join(a.rows[0][:4], " ") != "5 replica 3306 77" {
				t.Errorf("SHOW REPLICAS: %v", a.rows)
			}
			c.conn.ResetSequence()
			c.write([]byte{byte(wire.ComQuit)})
			c.expectEOF()
		})
	}
}
