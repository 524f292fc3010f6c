//go:build large

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

const mostMemory = 96 << 20 // bytes that a daemon may have resident at most

// TestLargeFileIsResumedInEveryGTIDMode cuts the connection behind 4 GiB of a file
// that a primary wrote as one transaction. With GTIDs the next one begins there;
// without, the plain command has no room for the place, and what lies between is
// compared.
func TestLargeFileIsResumedInEveryGTIDMode(t *testing.T) {
	for _, mode := range []string{"ON", "OFF"} {
		t.Run(mode, func(t *testing.T) {
			const rows, rowBytes = 72, 64 << 20
			primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--gtid-mode=" + mode, "--max-allowed-packet=1G"}})
			execute(t, primary, "CREATE DATABASE d", "CREATE TABLE d.n (id INT PRIMARY KEY)", "CREATE TABLE d.b (a LONGBLOB) ENGINE = BLACKHOLE",
				"INSERT INTO d.n WITH RECURSIVE r (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM r WHERE id < "+fmt.Sprint(rows)+") SELECT id FROM r",
				fmt.Sprintf("INSERT INTO d.b SELECT REPEAT(CHAR(id), %d) FROM d.n", rowBytes), "INSERT INTO d.n VALUES (0)")
			proxy, err := faultproxy.Start(primary.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Close)
			proxy.Set(faultproxy.ToClient, faultproxy.Faults{CutAfter: 1<<32 + 100<<20, Once: true})
			d := plainDaemon(t, proxy.Addr())
			end, err := proof.End(t.Context(), primary)
			if err != nil {
				t.Fatal(err)
			}
			untilDurable(t, d, end)
			if proxy.Cuts() != 1 {
				t.Errorf("%d cuts", proxy.Cuts())
			}
			files, err := primary.BinlogFiles(t.Context())
			if err != nil || files[0].Size < rows*rowBytes {
				t.Fatalf("%+v, %v", files, err)
			}
			again := int64(scrape(t, d)[`binlogproxy_source_received_bytes_total{source="main"}`]) - files[0].Size - files[1].Size
			if most := int64(200 << 20); mode == "ON" && again > most { // an event and a bit
				t.Errorf("%d bytes came again, of %d", again, files[0].Size)
			}
			out, errs, exit, err := primary.Exec(t.Context(), "sha256sum", testenv.BinlogPath(files[0].Name))
			if err != nil || exit != 0 {
				t.Fatal(errs, err)
			}
			if got := sumOfHeld(t, d, files[0].Name); !strings.HasPrefix(out, got) {
				t.Errorf("%s differs", files[0].Name)
			}
			if got := peakMemory(t, d.PID()); got > mostMemory {
				t.Errorf("%d MiB were resident", got>>20)
			}
			t.Logf("a file of %d bytes, %d came again, %d MiB were resident", files[0].Size, again, peakMemory(t, d.PID())>>20)
		})
	}
}

// TestLargeTransactionTakesNoMemory receives one of 10 GiB, with a kill in its middle.
func TestLargeTransactionTakesNoMemory(t *testing.T) {
	const event, events = 16 << 20, 640
	file := fakesource.Synthetic("binlog.000001", event)
	file.Repeat = events - 1
	xid := replication.Header{Timestamp: 1, Type: replication.XIDEvent, ServerID: fakesource.RecordedServerID, Size: replication.HeaderSize + 8 + 4}
	file.Tail = fakesource.Seal(append(xid.Append(nil), 1, 2, 3, 4, 5, 6, 7, 8))
	file.Tail = fakesource.AppendRotate(file.Tail, "binlog.000002")
	next := fakesource.Synthetic("binlog.000002", 100)
	source, err := fakesource.Start(fakesource.Options{Files: []fakesource.File{file, next}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	d := plainDaemonOf(t, child.Options{Source: source.Addr(), User: fakesource.DefaultUser, Password: fakesource.DefaultPassword})
	eventuallyLarge(t, "half of it", func() bool {
		st, err := status(t, d)
		p, _ := replication.ParsePosition(st.Sources[0].Durable)
		return err == nil && p.Offset > event*events/2
	})
	resident := peakMemory(t, d.PID())
	reconnect(t, d)
	untilDurable(t, d, replication.Position{File: next.Name, Offset: next.Size()}.String())
	resident = max(resident, peakMemory(t, d.PID()))
	if t.Logf("%d MiB were resident", resident>>20); resident > mostMemory {
		t.Error("that is too much")
	}
	want := sha256.New()
	last := file.Offsets()[2]
	_, _ = want.Write(file.AsSent())
	for range file.Repeat {
		_, _ = want.Write(file.Bytes[last:])
	}
	_, _ = want.Write(file.Tail)
	if got := sumOfHeld(t, d, file.Name); got != hex.EncodeToString(want.Sum(nil)) {
		t.Error("what is held differs")
	}
}

// eventuallyLarge is eventually for what takes minutes.
func eventuallyLarge(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	for !condition() {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s did not come about", what)
		}
	}
}

func untilDurable(t *testing.T, d *child.Daemon, end string) {
	t.Helper()
	eventuallyLarge(t, "the daemon having "+end, func() bool {
		st, err := status(t, d)
		return err == nil && st.Sources[0].Durable == end
	})
}

// sumOfHeld is the SHA-256 of a file that the daemon holds.
func sumOfHeld(t *testing.T, d *child.Daemon, name string) string {
	t.Helper()
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
