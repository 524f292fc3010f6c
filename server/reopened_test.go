package server

import (
	"io"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// A replica whose library reopened a broken connection between its statements has
// forgotten what it declared. It is disconnected, not told 1236.
func TestReplicaThatForgotItsDeclarationsIsDisconnected(t *testing.T) {
	ts := startServer(t, nil)
	c := connect(t, ts, wire.CapConnectAttrs)
	c.conn.ResetSequence()
	dump := wire.BinlogDump{Position: 4, ServerID: 9}
	c.write(dump.Append(nil))
	if p, err := c.conn.ReadPacket(1 << 20); err != io.EOF {
		t.Errorf("answered %q, %v", p, err)
	}
}
