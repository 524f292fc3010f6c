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

	"github.com/binlogproxy/binlogproxy/replication"
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

// Equal reports whether every line is. No line at all proves nothing.
func (t Table) Equal() bool {
	return len(t) > 0 && !slices.ContainsFunc(t, func(l Line) bool { return !l.Equal })
}

// Where adds to what was compared where it was found.
func (t Table) Where(place string) Table {
	t = slices.Clone(t)
	for i := range t {
		t[i].What += " " + place
	}
	return t
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
	files, err := binlogFiles(ctx, primary)
	if err != nil {
		return "", err
	}
	last := files[len(files)-1]
	return fmt.Sprintf("%s:%d", last.Name, last.Size), nil
}

// Behind is how many bytes the primary's files, as SHOW BINARY LOGS lists them, have
// behind a position FILE:OFFSET. It is below 0 where the list is older than the position.
func Behind(files []testenv.BinlogFile, position string) (int64, error) {
	at, err := replication.ParsePosition(position)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(files, func(f testenv.BinlogFile) bool { return f.Name == at.File })
	if i < 0 {
		return 0, fmt.Errorf("the primary has no file %s", at.File)
	}
	behind := -at.Offset
	for _, f := range files[i:] {
		behind += f.Size
	}
	return behind, nil
}

func binlogFiles(ctx context.Context, primary *testenv.MySQL) ([]testenv.BinlogFile, error) {
	files, err := primary.BinlogFiles(ctx)
	if err == nil && len(files) == 0 {
		err = errors.New("the primary has no binlog files")
	}
	return files, err
}

// Files compares every binlog file of the primary with ours of the same name in
// dir. Nothing may write at the primary meanwhile. Of the file that is still open
// the in-use bit of its FORMAT_DESCRIPTION does not count: the server clears it
// when it closes the file and whenever it sends it.
func Files(ctx context.Context, primary *testenv.MySQL, dir string) (Table, error) {
	list, err := binlogFiles(ctx, primary)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, f := range list {
		names[i] = f.Name
	}
	return compare(ctx, primary, dir, names, names[len(names)-1])
}

// compare compares files of the primary, of which it may still write open, with those in dir.
func compare(ctx context.Context, primary *testenv.MySQL, dir string, names []string, open string) (Table, error) {
	var table Table
	for _, name := range names {
		var theirs bytes.Buffer
		if err := primary.ReadBinlog(ctx, name, &theirs); err != nil {
			return nil, err
		}
		table = append(table, compareFile(filepath.Join(dir, name), theirs.Bytes(), name == open))
	}
	return table, nil
}

// flagsOffset is where the flags of the first event stand in a file: behind the
// magic number, 17 bytes into the event's header. The in-use flag is bit 0.
const flagsOffset = 4 + 17

// compareFile compares the file at path with what the primary's file of the same
// name holds. open: the primary still writes to it.
func compareFile(path string, theirs []byte, open bool) Line {
	name := filepath.Base(path)
	ours, err := os.ReadFile(path)
	if err != nil {
		return Line{name, false, err.Error()}
	}
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
	return compareTables(ours, theirs), nil
}

// compareTables compares two servers' checksums by schema.table. A table that only
// one of them has differs.
func compareTables(ours, theirs map[string]string) Table {
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
	return table
}
