package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Gap is a stretch of history that is lost for good: the source did not have it
// any more.
type Gap struct {
	Timeline int
	Seq      uint64               // of the cut file
	From     replication.Position // where readers stop: the last transaction boundary held
	Size     int64                // of the cut file: an unfinished transaction may lie behind From
	Next     string               // the file with which the history goes on
	Missing  *replication.GTIDSet // what lies between; empty where the source has no GTIDs. Not to be changed
	Reason   string
	Detected time.Time
}

// gapJSON is a gap in source.json.
type gapJSON struct {
	Timeline int    `json:"timeline"`
	Seq      uint64 `json:"seq"`
	File     string `json:"file"`
	Offset   int64  `json:"offset"`
	Size     int64  `json:"size"`
	Next     string `json:"next"`
	Missing  string `json:"missing"`
	Reason   string `json:"reason"`
	Detected string `json:"detected"` // RFC 3339
}

func (g Gap) MarshalJSON() ([]byte, error) {
	return json.Marshal(gapJSON{
		Timeline: g.Timeline, Seq: g.Seq, File: g.From.File, Offset: g.From.Offset, Size: g.Size, Next: g.Next,
		Missing: g.Missing.String(), Reason: g.Reason, Detected: g.Detected.UTC().Format(time.RFC3339Nano),
	})
}

func (g *Gap) UnmarshalJSON(b []byte) error {
	var j gapJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	missing, err := replication.ParseGTIDSet(j.Missing)
	if err != nil {
		return err
	}
	detected, err := time.Parse(time.RFC3339Nano, j.Detected)
	if err != nil {
		return err
	}
	if err := errors.Join(replication.ValidFileName(j.File), replication.ValidFileName(j.Next)); err != nil {
		return err
	}
	if j.Offset < replication.FirstEventOffset || j.Size < j.Offset {
		return fmt.Errorf("gap at offset %d of %d bytes", j.Offset, j.Size)
	}
	*g = Gap{
		Timeline: j.Timeline, Seq: j.Seq, From: replication.Position{File: j.File, Offset: j.Offset}, Size: j.Size,
		Next: j.Next, Missing: missing, Reason: j.Reason, Detected: detected,
	}
	return nil
}
