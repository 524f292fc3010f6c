package catalog

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/binlogproxy/binlogproxy/replication"
)

// List is a part of a timeline's catalog as a bucket holds it: manifests in unbroken
// order. The document is a record with its head and one for each manifest, and is
// what Encode gives, to the byte.
type List struct {
	Timeline  int
	First     uint64 // sequence number of the first manifest, and, while there is none, of the one to come
	Epoch     uint64 // of the writer to whom the list belongs; 0 = nobody changes it any more
	Manifests []Manifest
}

// ListHead is the first record of a list. The count tells a list that lost its end.
type ListHead struct {
	Timeline int    `json:"timeline"`
	First    uint64 `json:"first"`
	Count    int    `json:"count"`
	Epoch    uint64 `json:"epoch,omitempty"`
}

// Next is the sequence number of the manifest that may follow.
func (l List) Next() uint64 { return l.First + uint64(len(l.Manifests)) }

// Encode gives the document.
func (l List) Encode() ([]byte, error) {
	head := ListHead{Timeline: l.Timeline, First: l.First, Count: len(l.Manifests), Epoch: l.Epoch}
	b, err := Record{List: &head}.Append(nil)
	for i := 0; i < len(l.Manifests) && err == nil; i++ {
		b, err = Record{Sealed: &l.Manifests[i]}.Append(b)
	}
	return b, err
}

// DecodeList reads a document that Encode made. A *VersionError says that a later
// version wrote it; any other error that it is damaged, and how.
func DecodeList(b []byte) (List, error) {
	var list List
	count := 0
	for rest := b; len(rest) > 0; {
		line, behind, whole := bytes.Cut(rest, []byte{'\n'})
		r, err := decodeRecord(line)
		if err == nil && !whole {
			err = errors.New("the line has no end")
		}
		switch {
		case err != nil:
		case list.First == 0 && r.List != nil && r.List.First > 0:
			list, count = List{Timeline: r.List.Timeline, First: r.List.First, Epoch: r.List.Epoch}, r.List.Count
		case list.First > 0 && r.Sealed != nil:
			list.Manifests = append(list.Manifests, *r.Sealed)
			err = list.checkLast()
		default:
			err = errors.New("a record that has no place here")
		}
		if err != nil {
			return List{}, fmt.Errorf("at offset %d: %w", len(b)-len(rest), err)
		}
		rest = behind
	}
	if list.First == 0 || count != len(list.Manifests) {
		return List{}, fmt.Errorf("%d manifests instead of %d", len(list.Manifests), count)
	}
	if again, err := list.Encode(); err != nil || !bytes.Equal(again, b) {
		return List{}, errors.New("content that this program did not write")
	}
	return list, nil
}

func (l List) checkLast() error {
	m := l.Manifests[len(l.Manifests)-1]
	if m.Seq != l.Next()-1 {
		return fmt.Errorf("manifest %d in place %d", m.Seq, l.Next()-1)
	}
	if m.Size < 0 || m.IndexSize < 0 {
		return fmt.Errorf("%s has %d bytes, its index %d", m.Name, m.Size, m.IndexSize)
	}
	return replication.ValidFileName(m.Name)
}
