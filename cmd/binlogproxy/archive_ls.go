package main

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/replication"
)

type archiveLs struct {
	archiveFlags
	outputFlags
	FromFile string `help:"The first file to list." placeholder:"FILE"`
	ToFile   string `help:"The last one." placeholder:"FILE"`
}

// listedFile is what ls prints of a file.
type listedFile struct {
	Timeline     string  `json:"timeline"`
	Seq          uint64  `json:"seq"`
	Name         string  `json:"name"`
	Size         int64   `json:"size"`
	State        string  `json:"state"` // sealed, complete, open, cut
	Transactions *int64  `json:"transactions"`
	GTIDsAdded   *uint64 `json:"gtids_added"`
	FirstCommit  string  `json:"first_commit"`
	LastCommit   string  `json:"last_commit"`
	Local        bool    `json:"local"`
	Bucket       bool    `json:"bucket"`
}

// Run lists files in the order of history.
func (c *archiveLs) Run(ctx context.Context, s streams) error {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer a.Close()
	files, err := between(a.Files(), c.FromFile, c.ToFile)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	if !c.JSON {
		fmt.Fprint(w, "SEQ\tFILE\tSIZE\tSTATE\tTRANSACTIONS\tGTIDS\tFIRST COMMIT\tLAST COMMIT\tWHERE\n")
	}
	for _, f := range files {
		l := describe(a.Archive, f)
		if c.JSON {
			err = printJSON(s.out, l)
		} else {
			_, err = fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Seq, l.Name, l.Size, l.State, number(l.Transactions), number(l.GTIDsAdded),
				cmp.Or(l.FirstCommit, "-"), cmp.Or(l.LastCommit, "-"), where(f))
		}
		if err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return a.State().Stopped
}

// between are the files from one name to another; "" is no limit.
func between(files []archive.File, from, to string) ([]archive.File, error) {
	if to != "" {
		f, err := fileNamed(files, to)
		if err != nil {
			return nil, err
		}
		files = slices.DeleteFunc(files, func(o archive.File) bool { return o.Seq > f.Seq })
	}
	if from != "" {
		f, err := fileNamed(files, from)
		if err != nil {
			return nil, err
		}
		files = slices.DeleteFunc(files, func(o archive.File) bool { return o.Seq < f.Seq })
	}
	return files, nil
}

func describe(a *archive.Archive, f archive.File) listedFile {
	l := listedFile{
		Timeline: a.State().Timeline, Seq: f.Seq, Name: f.Name, Size: f.Size, State: fileState(a, f),
		FirstCommit: timeText(f.FirstTime), LastCommit: timeText(f.LastTime), Local: f.Local, Bucket: f.Stored,
	}
	if m := f.Manifest; m != nil {
		l.Size, l.Transactions = m.Size, &m.Transactions
		if added, err := replication.ParseGTIDSet(m.GTIDsAdded); err == nil {
			n := added.Count()
			l.GTIDsAdded = &n
		}
	}
	return l
}

func fileState(a *archive.Archive, f archive.File) string {
	switch {
	case f.Cut != nil:
		return "cut"
	case f.Sealed:
		return "sealed"
	case f.Name == a.State().Published.File:
		return "open"
	}
	return "complete"
}

// where says where a file's bytes are.
func where(f archive.File) string {
	switch {
	case f.Local && f.Stored:
		return "disk, bucket"
	case f.Stored:
		return "bucket"
	case f.Local:
		return "disk"
	}
	return "MISSING"
}

func number[T int64 | uint64](n *T) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatUint(uint64(*n), 10)
}

type archiveStat struct {
	archiveFlags
	outputFlags
	File string `arg:"" help:"Name of the file." placeholder:"FILE"`
}

// statedFile is what stat prints: what ls does, and the manifest of a sealed file.
type statedFile struct {
	listedFile
	GTIDsBefore *string           `json:"gtids_before"` // null where the file has no PREVIOUS_GTIDS
	Manifest    *catalog.Manifest `json:"manifest"`     // null unless sealed
}

// Run shows one file.
func (c *archiveStat) Run(ctx context.Context, s streams) error {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer a.Close()
	f, err := fileNamed(a.Files(), c.File)
	if err != nil {
		return err
	}
	st := statedFile{listedFile: describe(a.Archive, f), Manifest: f.Manifest}
	if f.GTIDsBefore != nil {
		before := f.GTIDsBefore.String()
		st.GTIDsBefore = &before
	}
	if c.JSON {
		return printJSON(s.out, st)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, value) }
	line("timeline", st.Timeline)
	line("file", st.Name)
	line("state", st.State)
	line("where", where(f))
	line("first commit", cmp.Or(st.FirstCommit, "-"))
	line("last commit", cmp.Or(st.LastCommit, "-"))
	if f.GTIDsBefore != nil && f.Manifest == nil {
		line("gtids before", oneLine(*st.GTIDsBefore))
	}
	if f.Manifest == nil {
		line("size", fmt.Sprint(st.Size))
	} else {
		printManifest(line, reflect.ValueOf(*f.Manifest))
	}
	return w.Flush()
}

// printManifest prints each field under the name that it has in the catalog.
func printManifest(line func(name, value string), m reflect.Value) {
	for i := range m.NumField() {
		name, _, _ := strings.Cut(m.Type().Field(i).Tag.Get("json"), ",")
		value := m.Field(i)
		if value.Kind() == reflect.Pointer {
			if value.IsNil() {
				continue
			}
			value = value.Elem()
		}
		if value.Kind() == reflect.Struct {
			printManifest(func(inner, text string) { line(name+" "+inner, text) }, value)
			continue
		}
		if name != "name" {
			line(strings.ReplaceAll(name, "_", " "), oneLine(fmt.Sprint(value.Interface())))
		}
	}
}
