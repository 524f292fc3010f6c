package archive

import (
	"bytes"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

func init() {
	fetchAtOnce = 3 << 10
	fetchPause = time.Millisecond
}

// Place is an event's end, and what the event has ended.
type Place struct {
	Offset      int64
	Boundary    bool
	GTIDs       *replication.GTIDSet
	First, Last int64 // commit times
}

// PlacesOf gives the ends of a file's events.
func PlacesOf(name string, b []byte) ([]Place, error) {
	a := &Archive{}
	a.init(Options{}.withDefaults())
	of := newOpenFile(1, name, 1)
	if err := a.newScanner(of, bytes.NewReader(b)).run(func() error { return nil }, int64(len(b))); err != nil {
		return nil, err
	}
	entries, _, _, err := decodeIndex(append(appendIndexHeader(nil, 1), of.index...))
	if err != nil {
		return nil, err
	}
	places := make([]Place, len(entries))
	for i, e := range entries {
		places[i] = Place{e.offset, e.boundary, e.gtids, e.times.first, e.times.last}
	}
	return places, nil
}
