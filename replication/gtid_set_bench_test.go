package replication

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func setWithIntervals(n int) *GTIDSet {
	s := &GTIDSet{}
	for i := range n {
		if err := s.Add(GTID{UUID: uuidA, Number: int64(2*i + 1)}); err != nil {
			panic(err)
		}
	}
	return s
}

func BenchmarkAddNext(b *testing.B) {
	for _, tag := range []Tag{"", "tag_one"} {
		for _, intervals := range []int{1, 1000} {
			b.Run(fmt.Sprintf("tag=%s/intervals=%d", tag, intervals), func(b *testing.B) {
				s := &GTIDSet{}
				for i := range intervals {
					_ = s.Add(GTID{UUID: uuidA, Tag: tag, Number: int64(2*i + 1)})
				}
				g := GTID{UUID: uuidA, Tag: tag, Number: int64(2*intervals + 1)}
				b.ReportAllocs()
				for b.Loop() {
					if err := s.Add(g); err != nil {
						b.Fatal(err)
					}
					g.Number++
				}
			})
		}
	}
}

// Two streams that take turns miss the short cut each time.
func BenchmarkAddNextOfTwoStreams(b *testing.B) {
	s := &GTIDSet{}
	g := [2]GTID{{UUID: uuidA, Number: 1}, {UUID: uuidB, Number: 1}}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Add(g[i&1]); err != nil {
			b.Fatal(err)
		}
		g[i&1].Number++
		i++
	}
}

func BenchmarkAddRandom(b *testing.B) {
	for _, intervals := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprintf("intervals=%d", intervals), func(b *testing.B) {
			s := setWithIntervals(intervals)
			random := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Add(GTID{UUID: uuidA, Number: 2*random.Int64N(int64(intervals)) + 1})
			}
		})
	}
}

func BenchmarkContains(b *testing.B) {
	for _, intervals := range []int{1, 10, 1000, 100_000} {
		b.Run(fmt.Sprintf("intervals=%d", intervals), func(b *testing.B) {
			s := setWithIntervals(intervals)
			random := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				s.Contains(GTID{UUID: uuidA, Number: 1 + random.Int64N(int64(2*intervals))})
			}
		})
	}
}

func BenchmarkSetOperations(b *testing.B) {
	for _, intervals := range []int{10, 10_000} {
		s := setWithIntervals(intervals)
		same, o := s.Clone(), s.Clone()
		_ = o.AddInterval(uuidA, "", int64(intervals)/2, int64(intervals))
		text, wire := s.String(), s.AppendWire(nil)
		for name, run := range map[string]func(){
			"ContainsSet": func() { o.ContainsSet(s) },
			"Equal":       func() { s.Equal(same) },
			"Subtract":    func() { o.Subtract(s) },
			"Union":       func() { o.Union(s) },
			"Parse":       func() { _, _ = ParseGTIDSet(text) },
			"Decode":      func() { _, _ = DecodeGTIDSet(wire) },
			"String":      func() { _ = s.String() },
		} {
			b.Run(fmt.Sprintf("%s/intervals=%d", name, intervals), func(b *testing.B) {
				b.ReportAllocs()
				if name == "Parse" || name == "String" {
					b.SetBytes(int64(len(text)))
				} else {
					b.SetBytes(int64(len(wire)))
				}
				for b.Loop() {
					run()
				}
			})
		}
	}
}
