package faults

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/binlogproxy/binlogproxy/replication"
)

// claims is all that a daemon ever claimed to hold. Its methods may be called by
// several goroutines.
type claims struct {
	mu        sync.Mutex
	served    map[string][]byte // by file, from its first byte on
	durable   replication.Position
	published replication.Position
	executed  *replication.GTIDSet
}

func newClaims() *claims {
	return &claims{served: map[string][]byte{}, executed: &replication.GTIDSet{}}
}

// before orders positions of one server: its files' names count up.
func before(a, b replication.Position) bool {
	return a.File < b.File || a.File == b.File && a.Offset < b.Offset
}

// serve notes bytes that a downstream was sent. Those that it was sent before must be
// the same.
func (c *claims) serve(at replication.Position, event []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.served[at.File]
	if !ok {
		held = slices.Clone(replication.FileMagic[:])
	}
	if at.Offset > int64(len(held)) {
		return fmt.Errorf("served at %s, and %d bytes before", at, len(held))
	}
	again := held[at.Offset:]
	if n := min(len(again), len(event)); !bytes.Equal(again[:n], event[:n]) {
		return fmt.Errorf("served at %s is another event than before", at)
	}
	c.served[at.File] = append(held, event[min(len(again), len(event)):]...)
	return nil
}

// note adds what a status says.
func (c *claims) note(s *sourceStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for position, text := range map[*replication.Position]string{&c.durable: s.Durable, &c.published: s.Published} {
		if p, err := replication.ParsePosition(text); err == nil && before(*position, p) {
			*position = p
		}
	}
	if set, err := replication.ParseGTIDSet(s.Executed); err == nil {
		c.executed.AddSet(set)
	}
}

// heldBy says what of the claims a status does not make any more.
func (c *claims) heldBy(s *sourceStatus) error {
	now := newClaims()
	now.note(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, p := range []struct {
		what       string
		then, held replication.Position
	}{
		{"published", c.published, now.published},
		{"durable", c.durable, now.durable},
		{"served", c.endLocked(), now.published},
	} {
		if before(p.held, p.then) {
			errs = append(errs, fmt.Errorf("%s up to %s, now up to %s", p.what, p.then, p.held))
		}
	}
	if lost := c.executed.Subtract(now.executed); !lost.IsEmpty() {
		errs = append(errs, fmt.Errorf("gtid_executed has lost %s", lost))
	}
	return errors.Join(errs...)
}

func (c *claims) endLocked() (end replication.Position) {
	for file, b := range c.served {
		if p := (replication.Position{File: file, Offset: int64(len(b))}); before(end, p) {
			end = p
		}
	}
	return end
}

// heldOn says which of the claims the files in dir do not hold; read gives a file.
func (c *claims) heldOn(read func(name string) ([]byte, error), dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for file, want := range c.served {
		have, err := read(path.Join(dir, file))
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(have, want) {
			return fmt.Errorf("%s: %d bytes were served, of which the disk holds a part or others", file, len(want))
		}
	}
	if c.durable.File == "" {
		return nil
	}
	have, err := read(path.Join(dir, c.durable.File))
	if err == nil && int64(len(have)) < c.durable.Offset {
		err = fmt.Errorf("%s was said to be durable, the file has %d bytes", c.durable, len(have))
	}
	return err
}
