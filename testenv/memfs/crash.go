package memfs

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// Clone is the file system as the death of the process leaves it: nothing is lost,
// what was not fsynced still is not, and locks are free.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &FS{dirs: map[string]*dir{}, locks: map[string]bool{}, capacity: f.capacity}
	nodes := map[*node]*node{nil: nil}
	copyNode := func(n *node) *node {
		if _, ok := nodes[n]; !ok {
			nodes[n] = &node{now: slices.Clone(n.now), synced: slices.Clone(n.synced), dirty: maps.Clone(n.dirty)}
		}
		return nodes[n]
	}
	for name, d := range f.dirs {
		cd := newDir()
		for e, n := range d.now {
			cd.now[e] = copyNode(n)
		}
		for e, n := range d.synced {
			cd.synced[e] = copyNode(n)
		}
		for _, ch := range d.pending {
			ch.node = copyNode(ch.node)
			cd.pending = append(cd.pending, ch)
		}
		c.dirs[name] = cd
	}
	return c
}

// CrashClone is the file system as a power failure might leave it. Of what was not
// fsynced, each 512-byte sector, each change of a file's size and each change of a
// directory's entries is there or not, as the seed decides: seed 0 loses all of it,
// seed 1 nothing. Of some files it is a random beginning that is there.
func (f *FS) CrashClone(seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	rnd := rand.New(rand.NewPCG(seed, 2))
	kept := rnd.Float64() // how much of it
	keep := func() bool { return seed == 1 || seed > 1 && rnd.Float64() < kept }
	c := &FS{dirs: map[string]*dir{"/": newDir()}, locks: map[string]bool{}, capacity: f.capacity}
	nodes := map[*node]*node{nil: nil}
	for _, name := range slices.Sorted(maps.Keys(f.dirs)) { // parents before children
		d, cd := f.dirs[name], c.dirs[name]
		if cd == nil {
			continue // its own entry is lost
		}
		entries := maps.Clone(d.synced)
		for _, ch := range d.pending {
			if keep() {
				ch.apply(entries)
			}
		}
		for _, e := range slices.Sorted(maps.Keys(entries)) {
			n := entries[e]
			if n == nil {
				c.dirs[path.Join(name, e)] = newDir()
			} else if nodes[n] == nil {
				nodes[n] = n.crash(rnd, keep)
			}
			cd.now[e], cd.synced[e] = nodes[n], nodes[n]
		}
	}
	return c
}

// crash gives the content that a power failure leaves.
func (n *node) crash(rnd *rand.Rand, keep func() bool) *node {
	size := len(n.synced)
	if len(n.now) != size && len(n.dirty) > 0 && keep() {
		size = len(n.now)
		if grown := len(n.now) - len(n.synced); grown > sector && !keep() {
			size -= grown - 1 - rnd.IntN(grown-1) // it grew in steps
			size -= size % sector
			size = max(size, len(n.synced))
		}
	}
	content := make([]byte, size)
	copy(content, n.synced)
	inOrder := rnd.IntN(2) == 0 // then nothing behind the first sector that is lost is there
	for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
		if from := s * sector; from < min(size, len(n.now)) && keep() {
			copy(content[from:min(from+sector, size)], n.now[from:])
		} else if inOrder {
			break
		}
	}
	return &node{now: content, synced: slices.Clone(content)}
}
