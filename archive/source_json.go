package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Identity is what tells one server from another.
type Identity struct {
	Flavor     replication.Flavor
	ServerUUID replication.UUID // zero on MariaDB
	ServerID   uint32
}

func (i Identity) String() string {
	return fmt.Sprintf("%s server_uuid %s server_id %d", i.Flavor, i.ServerUUID, i.ServerID)
}

// Gap is a stretch of history that is lost for good: the source did not have it
// any more.
type Gap struct {
	Timeline int
	Seq      uint64               // of the cut file
	From     replication.Position // where readers stop: the last transaction boundary held
	Next     string               // the file with which the history goes on
	Missing  *replication.GTIDSet // what lies between; empty where the source has no GTIDs. Not to be changed
	Reason   string
	Detected time.Time
	size     int64 // of the cut file: an unfinished transaction may lie behind From
}

// sourceDoc is the content of source.json.
type sourceDoc struct {
	Format    int           `json:"format"`
	Epoch     uint64        `json:"epoch"`
	Timelines []timelineDoc `json:"timelines"`
	Gaps      []gapDoc      `json:"gaps"`
}

type timelineDoc struct {
	Number     int      `json:"number"`
	ID         string   `json:"id"`
	Flavor     string   `json:"flavor"`
	ServerUUID string   `json:"server_uuid"`
	ServerID   uint32   `json:"server_id"` // when the timeline began; it may change
	Fork       *forkDoc `json:"fork"`
}

// forkDoc says where a timeline leaves its parent. Nothing writes it yet.
type forkDoc struct {
	Parent int    `json:"parent"`
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	GTIDs  string `json:"gtids"`
}

type gapDoc struct {
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

// sealedDoc is what stands in the file: the document, and a CRC32C over its bytes
// as they stand there. The whole file is what encode gives, to the byte.
type sealedDoc struct {
	CRC32C crcHex          `json:"crc32c"`
	Source json.RawMessage `json:"source"`
}

func (d sourceDoc) encode() ([]byte, error) {
	if d.Gaps == nil {
		d.Gaps = []gapDoc{}
	}
	body, err := json.MarshalIndent(d, "  ", "  ")
	if err != nil {
		return nil, err
	}
	out := fmt.Appendf(nil, "{\n  \"crc32c\": %q,\n  \"source\": ", crcHex(crc32.Checksum(body, castagnoli)))
	return append(append(out, body...), "\n}\n"...), nil
}

func decodeSource(b []byte) (sourceDoc, error) {
	var s sealedDoc
	if err := json.Unmarshal(b, &s); err != nil {
		return sourceDoc{}, err
	}
	if sum := crcHex(crc32.Checksum(s.Source, castagnoli)); sum != s.CRC32C {
		return sourceDoc{}, fmt.Errorf("checksum %s instead of %s", sum, s.CRC32C)
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(s.Source, &version); err != nil {
		return sourceDoc{}, err
	}
	if version.Format > formatVersion {
		return sourceDoc{}, &FormatError{Version: version.Format}
	}
	var d sourceDoc
	if err := json.Unmarshal(s.Source, &d); err != nil {
		return sourceDoc{}, err
	}
	if again, err := d.encode(); err != nil || !bytes.Equal(again, b) {
		return sourceDoc{}, errors.New("content that this program did not write")
	}
	return d, d.check()
}

func (d sourceDoc) check() error {
	if d.Format < 1 || len(d.Timelines) == 0 {
		return errors.New("no timeline")
	}
	for i, t := range d.Timelines {
		if t.Number != i+1 {
			return fmt.Errorf("timeline %d in place %d", t.Number, i+1)
		}
		if _, err := t.identity(); err != nil {
			return err
		}
	}
	for _, g := range d.Gaps {
		if _, err := g.gap(); err != nil {
			return err
		}
	}
	return nil
}

// dir is the name of the timeline's directory.
func (t timelineDoc) dir() string { return fmt.Sprintf("%04d-%s", t.Number, t.ID) }

func (t timelineDoc) identity() (Identity, error) {
	flavor, err := replication.ParseFlavor(t.Flavor)
	if err != nil {
		return Identity{}, err
	}
	uuid, err := replication.ParseUUID(t.ServerUUID)
	if err != nil {
		return Identity{}, err
	}
	if t.ID != uuid.String() {
		return Identity{}, fmt.Errorf("timeline %q of server %s", t.ID, uuid)
	}
	return Identity{Flavor: flavor, ServerUUID: uuid, ServerID: t.ServerID}, nil
}

func (g gapDoc) gap() (Gap, error) {
	missing, err := replication.ParseGTIDSet(g.Missing)
	if err != nil {
		return Gap{}, err
	}
	detected, err := time.Parse(time.RFC3339Nano, g.Detected)
	if err != nil {
		return Gap{}, err
	}
	if err := errors.Join(replication.ValidFileName(g.File), replication.ValidFileName(g.Next)); err != nil {
		return Gap{}, err
	}
	if g.Offset < replication.FirstEventOffset || g.Size < g.Offset {
		return Gap{}, fmt.Errorf("gap at offset %d of %d bytes", g.Offset, g.Size)
	}
	return Gap{
		Timeline: g.Timeline, Seq: g.Seq, From: replication.Position{File: g.File, Offset: g.Offset}, size: g.Size,
		Next: g.Next, Missing: missing, Reason: g.Reason, Detected: detected,
	}, nil
}

func (g Gap) doc() gapDoc {
	return gapDoc{
		Timeline: g.Timeline, Seq: g.Seq, File: g.From.File, Offset: g.From.Offset, Size: g.size, Next: g.Next,
		Missing: g.Missing.String(), Reason: g.Reason, Detected: g.Detected.UTC().Format(time.RFC3339Nano),
	}
}

func sourcePath(dir string) string { return path.Join(dir, "source.json") }
