package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

func TestMysqlbinlogThroughTheProxyGivesThePrimarysFiles(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--max-binlog-size=256K"}})
	d := startDaemon(t, primary.Addr())
	load(t, primary, 300, workload.Options{BigEvery: 60, BigBytes: 17 << 20})
	caughtUp(t, d, primary)

	dir, err := proof.TimelineDir(d.SourceDir())
	if err != nil {
		t.Fatal(err)
	}
	table, err := proof.Files(t.Context(), primary, dir)
	if err != nil {
		t.Fatal(err)
	}
	if !table.Equal() || len(table) < 4 {
		t.Fatalf("%+v", table)
	}
	files, err := primary.BinlogFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{
		"position": {"--read-from-remote-server"},
		"gtid":     {"--read-from-remote-source=BINLOG-DUMP-GTIDS"},
	} {
		t.Run(name, func(t *testing.T) {
			fetched := fetch(t, primary, d, name, files[0].Name, flags...)
			for i, f := range files {
				var theirs, ours bytes.Buffer
				if err := primary.ReadBinlog(t.Context(), f.Name, &theirs); err != nil {
					t.Fatal(err)
				}
				if err := primary.ReadFile(t.Context(), fetched+f.Name, &ours); err != nil {
					t.Fatal(err)
				}
				if i == len(files)-1 {
					theirs.Bytes()[21] &^= 1 // the in-use bit of the file that is still open
				}
				if !bytes.Equal(ours.Bytes(), theirs.Bytes()) {
					t.Errorf("%s: %d bytes through the proxy, %d at the primary, and not equal", f.Name, ours.Len(), theirs.Len())
				}
				run(t, primary, "mysqlbinlog", "--verify-binlog-checksum", fetched+f.Name)
			}
		})
	}
}

// fetch runs mysqlbinlog --raw in a server's container, and returns the prefix of
// the files that it wrote there.
func fetch(t *testing.T, in *testenv.MySQL, d *child.Daemon, name, first string, flags ...string) string {
	t.Helper()
	prefix := "/tmp/fetched-" + name + "-"
	host, port := d.Endpoint()
	command := append([]string{"mysqlbinlog", "--no-defaults"}, flags...)
	command = append(command, "--raw", "--to-last-log", "--result-file="+prefix, "--protocol=tcp", "--host="+host, fmt.Sprint("--port=", port),
		"--user="+testenv.ReplicationUser, "--password="+testenv.ReplicationPassword, "--get-server-public-key", first)
	run(t, in, command...)
	return prefix
}

// run runs a command in a server's container and returns what it printed.
func run(t *testing.T, in *testenv.MySQL, command ...string) string {
	t.Helper()
	stdout, stderr, exit, err := in.Exec(t.Context(), command...)
	if err != nil || exit != 0 {
		t.Fatalf("%s: exit %d, %v\n%s", strings.Join(command, " "), exit, err, stderr)
	}
	return stdout
}
