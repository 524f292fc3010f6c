package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// TestDifferential puts the same packets, legal and illegal, to a real server and to
// the proxy that follows it. What comes back is equal packet by packet: sequence
// numbers, sizes and bytes; what is not is in deviations. Names begin with the
// number of a rule: 4 commands, 4.2 dump commands, 5.1 order of packets, 5.4
// checksums, 5.5 skipping, 5.6 heartbeats, 5.8 duplicate replicas, 5.9 errors, 5.10
// ends, 5.11 large events, 5.13 what a client sends during a dump.
func TestDifferential(t *testing.T) {
	m := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	d := startDaemon(t, m.Addr())
	phase := func(name string, cases func(*testing.T, *testenv.MySQL) []dumpCase) {
		t.Run(name, func(t *testing.T) {
			all := cases(t, m)
			caughtUp(t, d, m)
			for _, c := range all {
				t.Run(c.name, func(t *testing.T) { c.compare(t, m.Addr(), d.Listen()) })
			}
		})
	}
	eachKindOfTransaction(t, m)
	restartServer(t, m)
	execute(t, m, "INSERT INTO d.t VALUES (200, 'later'), (201, 'later')", "INSERT INTO d.t VALUES (202, 'latest')")
	both := pair{m: m, proxy: d.Listen()}
	caughtUp(t, d, m)
	ahead := both.begin(t, blockingAhead)
	phase("file", fileCases)
	phase("gtid", gtidCases)
	phase("variables", variableCases)
	t.Run("commands", func(t *testing.T) { both.scripts(t, commandScripts) })
	t.Run("duplicates", func(t *testing.T) { both.scripts(t, duplicateScripts) })
	t.Run("clients", func(t *testing.T) { both.scripts(t, append(otherScripts, transcripts()...)) })
	t.Run("heartbeats", func(t *testing.T) { heartbeatsAlike(t, m, d.Listen()) })
	phase("checksum", checksumCases)
	phase("crash", crashCases)
	phase("large", largeCases)
	t.Run("large at the tail", func(t *testing.T) { both.largeTail(t) })
	t.Run("modes", otherModes)
	phase("anonymous", func(t *testing.T, m *testenv.MySQL) []dumpCase { return anonymousCases(t, m, d) })

	execute(t, m, "FLUSH BINARY LOGS", "INSERT INTO d.t VALUES (900, 'newest')")
	late := startDaemon(t, m.Addr(), "--from=newest", "--server-id=4243")
	caughtUp(t, late, m)
	for _, c := range purgedCases(t, m) {
		t.Run("purged/"+c.name, func(t *testing.T) { c.compare(t, m.Addr(), late.Listen()) })
	}
	t.Run("shutdown", func(t *testing.T) { shutdownsAlike(t, m, late) })
	t.Run("ahead", ahead) // begun long ago
	t.Run("deviations", func(t *testing.T) {
		for _, d := range deviations {
			if !d.met {
				t.Errorf("no deviation any more, or no case of it: %s", d.here)
			}
		}
	})
}

// alike wants two answers to be equal but for one deviation.
func alike(t *testing.T, d *deviation, want, got []frame) {
	t.Helper()
	if slices.Equal(want, got) {
		return
	}
	if d != nil {
		d.met = true
		want = d.expect(t, want, got)
	}
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("packet %d of %d and %d\n mysqld %s\n proxy  %s", i, len(want), len(got), show(want, i), show(got, i))
		}
	}
}

// docs/protocol.md lists the same deviations, in the same words.
func TestDeviationsAreThoseOfTheDocument(t *testing.T) {
	data, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "**Deviations from mysqld**")
	text, _, _ = strings.Cut(text, "\n#")
	var documented, tested []string
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, " | "); len(cells) == 3 && cells[0] != "| here" && cells[0] != "| ---" {
			documented = append(documented, strings.TrimPrefix(cells[0], "| ")+" | "+cells[1])
		}
	}
	for _, d := range deviations {
		tested = append(tested, d.here+" | "+d.mysqld)
	}
	slices.Sort(documented)
	slices.Sort(tested)
	if !slices.Equal(documented, tested) {
		t.Errorf("in the document\n%s\nin the test\n%s", strings.Join(documented, "\n"), strings.Join(tested, "\n"))
	}
}
