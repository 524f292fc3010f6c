package replica

import (
	"fmt"

	"github.com/binlogproxy/binlogproxy/replication"
)

// start is where a connection asks the source to begin.
type start struct {
	at  replication.Position
	gap string // not empty: what lies between what is held and at is lost, and why
}

// held is what the sink has when a connection begins.
type held struct {
	any  bool
	from replication.Position // where the sink wants the stream to begin (Sink.Resume)
	end  replication.Position // behind what is held (Sink.End)
	next string               // the file that the last one held names as its successor; "" unknown

	lost string // not empty: why the source will not send what follows end in its file
}

// chooseStart decides where to begin, from what is held and the files that the
// source lists, the oldest first. Files that are gone at the source are a gap;
// a source whose files are older or shorter than what is held has another
// history, and that is a permanent error.
func chooseStart(h held, files []BinlogFile, from string) (start, error) {
	if !h.any {
		return firstStart(files, from)
	}
	if h.from.File == h.end.File && h.lost != "" {
		return startBehindLost(h, files)
	}
	for _, f := range files {
		if f.Name != h.from.File {
			continue
		}
		if h.from.File != h.end.File { // a gap is recorded, and this is the file behind it
			return start{at: h.from}, nil
		}
		if f.Size < h.end.Offset {
			return start{}, stopf(StopHistory, "the source's %s has %d bytes, but %d of it are held: it has lost its end or began anew",
				f.Name, f.Size, h.end.Offset)
		}
		return start{at: h.from}, nil
	}
	return startBehind(h, files)
}

// firstStart begins where the options say: nothing is held.
func firstStart(files []BinlogFile, from string) (start, error) {
	at := func(name string) (start, error) {
		return start{at: replication.Position{File: name, Offset: replication.FirstEventOffset}}, nil
	}
	oldest, newest := files[0].Name, files[len(files)-1].Name
	switch from {
	case FromOldest:
		return at(oldest)
	case FromNewest:
		return at(newest)
	}
	for _, f := range files {
		if f.Name == from {
			return at(from)
		}
	}
	return start{}, stopf(StopConfiguration, "the source has no file %s to start from: it has %s to %s", from, oldest, newest)
}

// startBehind begins at the oldest file that follows the last one held, which
// the source no longer lists.
func startBehind(h held, files []BinlogFile) (start, error) {
	oldest, newest := files[0].Name, files[len(files)-1].Name
	for _, f := range files {
		order, ok := compareNames(f.Name, h.end.File)
		if !ok || order <= 0 {
			continue
		}
		s := start{at: replication.Position{File: f.Name, Offset: replication.FirstEventOffset}}
		if f.Name != h.next {
			s.gap = fmt.Sprintf("the source no longer has %s, of which %d bytes are held; the oldest file behind it is %s", h.end.File, h.end.Offset, f.Name)
		}
		return s, nil
	}
	return start{}, stopf(StopHistory, "%s is held up to %d, but the source has only %s to %s: its log began anew or is another server's",
		h.end.File, h.end.Offset, oldest, newest)
}

// startBehindLost begins at the file behind one whose rest the source has but will
// not send.
func startBehindLost(h held, files []BinlogFile) (start, error) {
	for _, f := range files {
		if order, ok := compareNames(f.Name, h.end.File); ok && order > 0 {
			s := start{at: replication.Position{File: f.Name, Offset: replication.FirstEventOffset}}
			if f.Name != h.next {
				s.gap = h.lost
			}
			return s, nil
		}
	}
	return start{}, fmt.Errorf("%s; it has no later file yet", h.lost)
}
