package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// Two to five writers fight for a source, each of which stands still at any request for any
// time and goes on as if nothing had happened. Each writes bytes that name its epoch.
// What the bucket holds in the end is one history: the bytes of each epoch begin where
// source.json says, none of a later one stands before, and everything is there that was
// durable before the next writer took over.
func TestWritersThatStallNeverMixTheirBytes(t *testing.T) {
	fights := 20
	if testing.Short() {
		fights = 5
	}
	for range fights {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { fight(t, seed) })
	}
}

// ring is a fight and what is known of it. Only the fighter whose turn it is touches it.
type ring struct {
	t      *testing.T
	s      store.Store
	random *rand.Rand
	epoch  uint64 // the last that a lease was given to
	safe   map[uint64][]byte
	all    []*Writer
}

func fight(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	r := &ring{t: t, s: newDir(t), random: random, safe: map[uint64][]byte{}}
	a := &arena{random: random, wants: make(chan *fighter)}
	var fighters []*fighter
	for range 2 + random.IntN(4) {
		fighters = append(fighters, a.enter(r.s))
	}
	for i, f := range fighters {
		go func() {
			defer f.end()
			f.wait()
			for range 4 {
				if err := r.reign(t.Context(), f, fmt.Sprint("writer ", i)); err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			}
		}()
	}
	a.run(fighters)

	last := &clock{now: time.Now()}
	b := New(r.s, "main", Options{Now: last.Now, Sleep: last.Sleep, Capabilities: capabilities})
	b.segment = 3
	_, w, state, err := start(t.Context(), b, "the last")
	if err != nil {
		t.Fatal(err)
	}
	for _, loser := range r.all {
		if err := loser.PutSource(t.Context(), func(*catalog.Source) {}); !errors.Is(err, ErrFenced) {
			t.Errorf("epoch %d: %v", loser.Epoch(), err)
		}
	}
	r.judge(b, w, state)
}

// reign is one try of a writer to become the one, and what it does then until it loses, dies,
// or stops.
func (r *ring) reign(ctx context.Context, f *fighter, id string) error {
	b := New(f, "main", Options{Now: f.clock.Now, Sleep: f.Sleep, Capabilities: capabilities, Parallel: 1})
	b.segment = 3
	l, err := b.Acquire(ctx, Holder{ID: id, Name: id}, time.Second)
	if err != nil {
		return bearable(err)
	}
	r.epoch = max(r.epoch, l.Epoch())
	w, state, err := b.TakeOver(ctx, l)
	if err == nil && state.Source == nil {
		err = w.Begin(ctx, source)
	}
	if err != nil {
		return bearable(err)
	}
	r.all = append(r.all, w)
	g := &reigning{ring: r, b: b, w: w, l: l, seq: 1}
	err = g.resume(ctx, state)
	for range r.random.IntN(30) {
		if err == nil {
			err = g.act(ctx)
		}
	}
	if err == nil && r.random.IntN(2) == 0 {
		err = l.Release(ctx)
	}
	return bearable(err)
}

// bearable are the ways to lose a fight.
func bearable(err error) error {
	if errors.Is(err, ErrFenced) || errors.Is(err, ErrAgain) || errors.As(err, new(*HeldError)) {
		return nil
	}
	return err
}

// reigning is a writer and its local log.
type reigning struct {
	*ring
	b *Bucket
	w *Writer
	l *Lease

	before *After
	seq    uint64
	data   []byte  // of the open file
	small  []Piece // own ones that are not covered
}

func (g *reigning) resume(ctx context.Context, state *State) error {
	if len(state.Catalogs) > 0 {
		if m := state.Catalogs[0].Last(); m != nil {
			g.seq = m.Seq
			g.next(m.Name, m.Size, m.CRC32C)
		}
	}
	for i, chain := range state.Chains {
		data, err := readChain(ctx, g.b, chain)
		if errors.Is(err, store.ErrNotFound) { // its writer lives and has replaced it
			return ErrAgain
		}
		if err != nil {
			return err
		}
		g.data = data
		if i < len(state.Chains)-1 || state.At.Seq > chain.Seq {
			if err := g.seal(ctx); err != nil {
				return err
			}
		}
	}
	if g.seq != state.At.Seq && state.Source != nil || int64(len(g.data)) != state.At.Offset {
		return fmt.Errorf("goes on in file %d at %d, expected %+v", g.seq, len(g.data), state.At)
	}
	return nil
}

func (g *reigning) next(name string, size int64, sum catalog.CRC32C) {
	g.before = &After{Name: name, FileProof: catalog.FileProof{Size: size, CRC32C: sum}}
	g.seq, g.data, g.small = g.seq+1, nil, nil
}

func (g *reigning) act(ctx context.Context) error {
	switch n := g.random.IntN(10); {
	case n < 6:
		return g.write(ctx)
	case n < 8:
		return g.l.Renew(ctx)
	case n < 9 && len(g.small) > 1:
		return g.merge(ctx)
	case len(g.data) > 0:
		return g.seal(ctx)
	}
	return nil
}

func (g *reigning) piece(first, end, boundary int) Piece {
	p := Piece{PieceID: PieceID{Timeline: timeline.Dir(), File: fmt.Sprintf("binlog.%06d", g.seq), First: int64(first), End: int64(end)}}
	p.Seq, p.Boundary = g.seq, int64(boundary)
	if first == 0 {
		p.After = g.before
	}
	return p
}

// write adds a piece, which sometimes ends within a transaction.
func (g *reigning) write(ctx context.Context) error {
	first := len(g.data)
	end := first + 1 + g.random.IntN(4)
	data := append(g.data, bytes.Repeat([]byte{byte(g.w.Epoch())}, end-first)...)
	boundary := end
	if end-first > 1 && g.random.IntN(3) == 0 {
		boundary--
	}
	p, err := g.w.PutPiece(ctx, g.piece(first, end, boundary), data[first:])
	if err != nil {
		return err
	}
	g.data, g.small = data, append(g.small, p)
	if g.w.Epoch() == g.epoch {
		g.remember(data[:boundary])
	}
	return nil
}

// remember keeps what must be in the end: nobody else has even a lease.
func (g *reigning) remember(data []byte) { g.safe[g.seq] = bytes.Clone(data) }

func (g *reigning) merge(ctx context.Context) error {
	first, last := g.small[0], g.small[len(g.small)-1]
	big, err := g.w.PutPiece(ctx, g.piece(int(first.First), int(last.End), int(last.Boundary)), g.data[first.First:last.End])
	if err != nil {
		return err
	}
	small := g.small
	g.small = []Piece{big}
	return g.w.DeletePieces(ctx, big, small)
}

func (g *reigning) seal(ctx context.Context) error {
	f := file{data: g.data, index: fmt.Appendf(nil, "index of %d", g.seq)}
	f.manifest = catalog.Manifest{
		Seq: g.seq, Name: fmt.Sprintf("binlog.%06d", g.seq), Size: int64(len(f.data)), CRC32C: catalog.CRC32C(crc32c.Of(f.data)),
		IndexSize: int64(len(f.index)), IndexCRC32C: catalog.CRC32C(crc32c.Of(f.index)),
	}
	if _, err := g.w.Seal(ctx, f.sealing()); err != nil {
		return err
	}
	if g.w.Epoch() == g.epoch {
		g.remember(f.data)
	}
	err := g.w.DropOpen(ctx, timeline, f.manifest.Name)
	g.next(f.manifest.Name, f.manifest.Size, f.manifest.CRC32C)
	return err
}

// judge reads the history and compares it with what was promised.
func (r *ring) judge(b *Bucket, w *Writer, state *State) {
	held := map[uint64][]byte{}
	for _, m := range audit(r.t, r.s) {
		held[m.Seq], _ = read(r.t, r.s, b.FileKey(timeline, m.Name))
	}
	for _, chain := range state.Chains {
		held[chain.Seq] = must[[]byte](r.t)(readChain(r.t.Context(), b, chain))
	}
	for seq, data := range r.safe {
		if !bytes.HasPrefix(held[seq], data) {
			r.t.Errorf("file %d has the bytes %v, durable were %v", seq, held[seq], data)
		}
	}
	before := byte(0)
	for seq := uint64(1); len(held[seq]) > 0; seq++ {
		for at, epoch := range held[seq] {
			if epoch < before {
				r.t.Fatalf("file %d has a byte of epoch %d at %d, behind one of %d: %v", seq, epoch, at, before, held[seq])
			}
			if counts := reignOf(uint64(epoch), 1, seq, w.Source().Epochs); int64(at) < counts.from {
				r.t.Fatalf("file %d has a byte of epoch %d at %d, before that began: %+v", seq, epoch, at, w.Source().Epochs)
			}
			before = epoch
		}
	}
}
