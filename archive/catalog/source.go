package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/binlogproxy/binlogproxy/replication"
)

// Source is the content of source.json: what is known of a source beside its files.
type Source struct {
	Format    int        `json:"format"`
	Epoch     uint64     `json:"epoch"`
	Timelines []Timeline `json:"timelines"`
	Gaps      []Gap      `json:"gaps"`
	Epochs    []Epoch    `json:"epochs,omitempty"` // none without a bucket
}

// Epoch is the reign of one writer of a bucket: what it wrote counts from Start on,
// up to where the next epoch begins.
type Epoch struct {
	Number   uint64 `json:"number"`
	Timeline int    `json:"timeline"` // 0 while the bucket held nothing
	Seq      uint64 `json:"seq"`      // of the file in which it begins
	File     string `json:"file"`
	Offset   int64  `json:"offset"`
	Writer   string `json:"writer"` // who it was, for people
	Began    string `json:"began"`  // RFC 3339
}

// Timeline is the unbroken history of one server incarnation.
type Timeline struct {
	Number     int    `json:"number"`
	ID         string `json:"id"`
	Flavor     string `json:"flavor"`
	ServerUUID string `json:"server_uuid"`
	ServerID   uint32 `json:"server_id"` // when the timeline began; it may change
	Fork       *Fork  `json:"fork"`
}

// Fork says where a timeline leaves its parent. Nothing writes it yet.
type Fork struct {
	Parent int    `json:"parent"`
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	GTIDs  string `json:"gtids"`
}

// Identity is what tells one server from another.
type Identity struct {
	Flavor     replication.Flavor
	ServerUUID replication.UUID // zero on MariaDB
	ServerID   uint32
}

func (i Identity) String() string {
	return fmt.Sprintf("%s server_uuid %s server_id %d", i.Flavor, i.ServerUUID, i.ServerID)
}

// Dir is the name of the timeline's directory, and of its folder in a bucket.
func (t Timeline) Dir() string { return fmt.Sprintf("%04d-%s", t.Number, t.ID) }

// Identity gives the server whose history the timeline is.
func (t Timeline) Identity() (Identity, error) {
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

// summed is what stands in the file: the document, and a CRC32C over its bytes
// as they stand there. The whole file is what Encode gives, to the byte.
type summed struct {
	CRC32C CRC32C          `json:"crc32c"`
	Source json.RawMessage `json:"source"`
}

// Encode gives the file.
func (s Source) Encode() ([]byte, error) {
	if s.Gaps == nil {
		s.Gaps = []Gap{}
	}
	body, err := json.MarshalIndent(s, "  ", "  ")
	if err != nil {
		return nil, err
	}
	out := fmt.Appendf(nil, "{\n  \"crc32c\": %q,\n  \"source\": ", CRC32C(crc32.Checksum(body, castagnoli)))
	return append(append(out, body...), "\n}\n"...), nil
}

// DecodeSource reads a file that Encode made. A *VersionError says that a later
// version wrote it; any other error that it is damaged, and how.
func DecodeSource(b []byte) (Source, error) {
	var file summed
	if err := json.Unmarshal(b, &file); err != nil {
		return Source{}, err
	}
	if sum := CRC32C(crc32.Checksum(file.Source, castagnoli)); sum != file.CRC32C {
		return Source{}, fmt.Errorf("checksum %s instead of %s", sum, file.CRC32C)
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(file.Source, &version); err != nil {
		return Source{}, err
	}
	if version.Format > Version {
		return Source{}, &VersionError{Version: version.Format}
	}
	var s Source
	if err := json.Unmarshal(file.Source, &s); err != nil {
		return Source{}, err
	}
	if again, err := s.Encode(); err != nil || !bytes.Equal(again, b) {
		return Source{}, errors.New("content that this program did not write")
	}
	return s, s.check()
}

func (s Source) check() error {
	if s.Format < 1 || len(s.Timelines) == 0 {
		return errors.New("no timeline")
	}
	for i, t := range s.Timelines {
		if t.Number != i+1 {
			return fmt.Errorf("timeline %d in place %d", t.Number, i+1)
		}
		if _, err := t.Identity(); err != nil {
			return err
		}
	}
	return nil
}
