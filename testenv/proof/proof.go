// Package proof compares what binlogproxy holds and what its replicas have with
// the source: files byte by byte, GTID sets, tables.
package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// Line is one comparison.
type Line struct {
	What   string
	Equal  bool
	Detail string // what was compared, or what differs
}

// Table is a list of comparisons.
type Table []Line

// Equal reports whether every line is.
func (t Table) Equal() bool {
	return !slices.ContainsFunc(t, func(l Line) bool { return !l.Equal })
}

// Print writes the table.
func (t Table) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range t {
		word := "equal"
		if !l.Equal {
			word = "DIFFERENT"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", l.What, word, l.Detail)
	}
	return w.Flush()
}

// TimelineDir is the folder of the one timeline under a source's folder.
func TimelineDir(sourceDir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(sourceDir, "[0-9][0-9][0-9][0-9]-*"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d timelines in %s", len(found), sourceDir)
	}
	return found[0], nil
}

// End is the position behind the last event of a primary, as FILE:OFFSET.
func End(ctx context.Context, primary *testenv.MySQL) (string, error) {
	files, err := primary.BinlogFiles(ctx)
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", errors.New("the primary has no binlog files")
	}
	last := files[len(files)-1]
	return fmt.Sprintf("%s:%d", last.Name, last.Size), nil
}

// Files compares every binlog file of the primary with ours of the same name in
// dir. Nothing may write at the primary meanwhile. Of the file that is still open
// the in-use bit of its FORMAT_DESCRIPTION does not count: the server clears it
// when it closes the file and whenever it sends it.
func Files(ctx context.Context, primary *testenv.MySQL, dir string) (Table, error) {
	list, err := primary.BinlogFiles(ctx)
	if err != nil {
		return nil, err
	}
	var table Table
	for i, f := range list {
		var theirs bytes.Buffer
		if err := primary.ReadBinlog(ctx, f.Name, &theirs); err != nil {
			return nil, err
		}
		ours, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil {
			table = append(table, Line{f.Name, false, err.Error()})
			continue
		}
		table = append(table, compareFile(f.Name, ours, theirs.Bytes(), i == len(list)-1))
	}
	return table, nil
}

// flagsOffset is where the flags of the first event stand in a file: behind the
// magic number, 17 bytes into the event's header. The in-use flag is bit 0.
const flagsOffset = 4 + 17

func compareFile(name string, ours, theirs []byte, open bool) Line {
	detail := fmt.Sprintf("%d bytes", len(theirs))
	if open && len(theirs) > flagsOffset && theirs[flagsOffset]&1 != 0 {
		theirs = bytes.Clone(theirs)
		theirs[flagsOffset] &^= 1
		detail += ", still open at the primary"
	}
	if bytes.Equal(ours, theirs) {
		return Line{name, true, detail}
	}
	at := 0
	for at < min(len(ours), len(theirs)) && ours[at] == theirs[at] {
		at++
	}
	return Line{name, false, fmt.Sprintf("ours has %d bytes, the primary's %d; first difference at %d", len(ours), len(theirs), at)}
}

// GTIDs compares two sets as text, whatever the white space.
func GTIDs(what, ours, theirs string) Line {
	clean := strings.NewReplacer("\n", "", " ", "")
	ours, theirs = clean.Replace(ours), clean.Replace(theirs)
	if ours == theirs {
		return Line{what, true, ours}
	}
	return Line{what, false, fmt.Sprintf("%s, the primary has %s", ours, theirs)}
}

// Tables compares CHECKSUM TABLE of every table of two servers.
func Tables(ctx context.Context, primary, replica *testenv.MySQL) (Table, error) {
	theirs, err := primary.TableChecksums(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := replica.TableChecksums(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(theirs))
	for name := range theirs {
		names = append(names, name)
	}
	for name := range ours {
		if _, both := theirs[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var table Table
	for _, name := range names {
		line := Line{What: name, Equal: ours[name] == theirs[name] && ours[name] != "", Detail: "checksum " + theirs[name]}
		if !line.Equal {
			line.Detail = fmt.Sprintf("checksum %q, the primary has %q", ours[name], theirs[name])
		}
		table = append(table, line)
	}
	return table, nil
}
