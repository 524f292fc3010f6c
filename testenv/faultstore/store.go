package faultstore

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Store is a store with faults. Methods may be called concurrently, also those that
// change what happens.
type Store struct {
	inner store.Store
	seed  uint64

	mu      sync.Mutex // guards the rest
	random  *rand.Rand
	rules   []*Rule
	counts  map[Op]Count
	before  map[string]string              // ETag of the last predecessor, by key
	current map[string]string              // ETag as last written or seen
	rotten  map[string]func([]byte) []byte // by key
	pace    pace
}

// Count is what one operation has cost.
type Count struct {
	Requests int64
	Failed   int64 // of these, with an error
	Bytes    int64 // of bodies: sent by Put and PutPart, received by Get, moved by CopyPart
}

// New is inner without faults yet. The seed decides which requests meet a fault that
// has a chance: tests print it.
func New(inner store.Store, seed uint64) *Store {
	return &Store{
		inner: inner, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), counts: map[Op]Count{},
		before: map[string]string{}, current: map[string]string{}, rotten: map[string]func([]byte) []byte{},
	}
}

// String tells the seed.
func (s *Store) String() string { return fmt.Sprintf("%s with faults (seed %d)", s.inner, s.seed) }

// Close closes the store within.
func (s *Store) Close() error { return s.inner.Close() }

// Rules replaces all rules. Of several that match a request, the first counts.
func (s *Store) Rules(rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
	for _, rule := range rules {
		s.rules = append(s.rules, &rule)
	}
}

// Met is how often the i-th rule has been met.
func (s *Store) Met(i int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules[i].met
}

// Slow lets each request wait for delay, and bodies of all requests together pass at
// so many bytes a second; 0 = no limit.
func (s *Store) Slow(delay time.Duration, bytesPerSecond int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pace = pace{delay: delay, rate: bytesPerSecond}
}

// Counts is what each operation has cost since New or ResetCounts.
func (s *Store) Counts() map[Op]Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// ResetCounts begins to count anew.
func (s *Store) ResetCounts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = map[Op]Count{}
}

// call makes a request, and lets happen to it what the rules say. do is the request,
// told whether conditions are ignored.
func call[T any](ctx context.Context, s *Store, op Op, key string, sent int64, do func(*Rule) (T, error)) (result T, err error) {
	rule := s.begin(op, key, sent)
	defer func() { s.end(op, err) }()
	if err := s.wait(ctx, sent); err != nil {
		return result, &store.Error{Op: string(op), Key: key, Cause: err}
	}
	switch rule.fault() {
	case LostRequest:
		return result, lost(op, key)
	case Refused:
		return result, rule.refusal(op, key)
	case FalseSuccess:
		return result, nil
	case LostResponse:
		if _, err := do(rule); err != nil {
			return result, err
		}
		return result, lost(op, key)
	}
	return do(rule)
}

func (r *Rule) fault() Fault {
	if r == nil {
		return 0
	}
	return r.Fault
}

// begin counts a request and chooses its rule; nil = none.
func (s *Store) begin(op Op, key string, sent int64) *Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[op]
	c.Requests++
	c.Bytes += sent
	s.counts[op] = c
	for _, rule := range s.rules {
		if rule.matches(op, key, s.random.Float64) {
			return rule
		}
	}
	return nil
}

func (s *Store) end(op Op, err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[op]
	c.Failed++
	s.counts[op] = c
}

func (s *Store) received(op Op, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[op]
	c.Bytes += int64(n)
	s.counts[op] = c
}

// below is a random number from 0 to n-1.
func (s *Store) below(n int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.Int64N(n)
}

// saw remembers what became of a key, for StaleETag.
func (s *Store) saw(key, etag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.current[key]; old != etag {
		if old != "" {
			s.before[key] = old
		}
		s.current[key] = etag
	}
}

// staleETag is that of the key's last predecessor, or etag where none is known.
func (s *Store) staleETag(key, etag string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.before[key]; old != "" {
		return old
	}
	return etag
}
