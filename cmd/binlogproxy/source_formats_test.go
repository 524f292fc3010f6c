package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// A source may change how it writes its binlog while it is followed. Each change is
// followed by a kill in the middle of a stream of transactions of its kind.
func TestEveryWayToWriteABinlogIsFollowedThroughReconnects(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Keyring: true})
	execute(t, primary, "CREATE DATABASE d", "CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, a LONGTEXT)")
	d := startDaemon(t, primary.Addr())
	for _, change := range []struct{ name, global, session string }{
		{"without checksums", "SET GLOBAL binlog_checksum = NONE", ""},
		{"compressed, without checksums", "", "SET binlog_transaction_compression = ON"},
		{"encrypted, without checksums", "SET GLOBAL binlog_encryption = ON", ""},
		{"encrypted", "SET GLOBAL binlog_checksum = CRC32", ""},
		{"encrypted and compressed", "", "SET binlog_transaction_compression = ON"},
		{"no longer encrypted", "SET GLOBAL binlog_encryption = OFF", ""},
		{"tagged GTIDs", "", "SET gtid_next = 'AUTOMATIC:some_tag'"},
		{"compressed, with tagged GTIDs", "", "SET gtid_next = 'AUTOMATIC:another', binlog_transaction_compression = ON"},
	} {
		t.Run(change.name, func(t *testing.T) {
			if change.global != "" {
				execute(t, primary, change.global)
			}
			killWhileWriting(t, primary, d, change.session)
			caughtUp(t, d, primary)
		})
	}
	compareAsSent(t, primary, d)
	if st, err := status(t, d); err != nil || len(st.Sources[0].Gaps) != 0 {
		t.Errorf("%+v, %v", st.Sources[0].Gaps, err)
	}
}

// killWhileWriting kills the daemon while a session of its own writes transactions.
func killWhileWriting(t *testing.T, primary *testenv.MySQL, d *child.Daemon, setUp string) {
	t.Helper()
	conn, err := primary.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if setUp == "" {
		setUp = "SET @nothing = 1"
	}
	if _, err := conn.ExecContext(t.Context(), setUp); err != nil {
		t.Fatal(err)
	}
	written, end := make(chan error), make(chan struct{})
	go func() {
		defer close(written)
		for {
			if _, err := conn.ExecContext(t.Context(), "INSERT INTO d.t (a) VALUES (REPEAT('compressible', 5000))"); err != nil {
				written <- err
				return
			}
			select {
			case <-end:
				return
			case written <- nil:
			}
		}
	}()
	take := func(n int) {
		for range n {
			if err := <-written; err != nil {
				t.Fatal(err)
			}
		}
	}
	take(20)
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	take(20)
	restart(t, d)
	take(20)
	close(end)
	for err := range written {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.ExecContext(t.Context(), "SET gtid_next = 'AUTOMATIC', binlog_transaction_compression = OFF"); err != nil {
		t.Fatal(err)
	}
}

// compareAsSent compares what is held with what mysqlbinlog gets from the primary.
// An encrypted file is sent in plain.
func compareAsSent(t *testing.T, primary *testenv.MySQL, d *child.Daemon) {
	t.Helper()
	files, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	const prefix = "/tmp/as-sent-"
	run(t, primary, "mysqlbinlog", "--no-defaults", "--read-from-remote-server", "--raw", "--to-last-log", "--result-file="+prefix,
		"--protocol=tcp", "--host=127.0.0.1", fmt.Sprint("--port=", primary.Port()), "--user=root", "--password="+testenv.RootPassword, files[0].Name)
	encrypted := 0
	for _, f := range files {
		var sent, stored bytes.Buffer
		if err := primary.ReadFile(t.Context(), prefix+f.Name, &sent); err != nil {
			t.Fatal(err)
		}
		if err := primary.ReadBinlog(t.Context(), f.Name, &stored); err != nil {
			t.Fatal(err)
		}
		if bytes.HasPrefix(stored.Bytes(), []byte("\xfdbin")) {
			encrypted++
		}
		held, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil || !bytes.Equal(held, sent.Bytes()) {
			t.Errorf("%s: %d bytes are held, %d were sent, or they differ; %v", f.Name, len(held), sent.Len(), err)
		}
	}
	if encrypted < 2 || encrypted == len(files) {
		t.Errorf("%d of %d files are encrypted", encrypted, len(files))
	}
}
