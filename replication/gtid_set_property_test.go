package replication

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// naiveSet is a GTID set that nobody can get wrong.
type naiveSet map[GTID]bool

// The universe is small, so that runs touch, overlap and swallow each other often.
const universeNumbers = 12

var (
	universeUUIDs = []UUID{{}, uuidA, uuidB}
	universeTags  = []Tag{"", "_", "a", "a1"}
)

func universe(yield func(GTID) bool) {
	for _, u := range universeUUIDs {
		for _, tag := range universeTags {
			for n := range int64(universeNumbers) {
				if !yield(GTID{UUID: u, Tag: tag, Number: n + 1}) {
					return
				}
			}
		}
	}
}

func (n naiveSet) addRun(first GTID, last int64) {
	for ; first.Number <= last; first.Number++ {
		n[first] = true
	}
}

func (n naiveSet) filter(keep func(GTID) bool) naiveSet {
	out := naiveSet{}
	for g := range n {
		if keep(g) {
			out[g] = true
		}
	}
	return out
}

// checkSame proves that s holds what n holds, by all ways of asking.
func checkSame(t *rapid.T, s *GTIDSet, n naiveSet) {
	t.Helper()
	checkIntervals(t, s)
	tagged := false
	for g := range universe {
		if s.Contains(g) != n[g] {
			t.Fatalf("Contains(%v) = %v of %q", g, s.Contains(g), s)
		}
		tagged = tagged || n[g] && g.Tag != ""
	}
	if s.Count() != uint64(len(n)) || s.IsEmpty() != (len(n) == 0) || s.HasTags() != tagged {
		t.Fatalf("Count %d, IsEmpty %v, HasTags %v; expected %d GTIDs, tags %v", s.Count(), s.IsEmpty(), s.HasTags(), len(n), tagged)
	}
}

var gtidGenerator = rapid.Custom(func(t *rapid.T) GTID {
	return GTID{
		UUID:   rapid.SampledFrom(universeUUIDs).Draw(t, "uuid"),
		Tag:    rapid.SampledFrom(universeTags).Draw(t, "tag"),
		Number: rapid.Int64Range(1, universeNumbers).Draw(t, "number"),
	}
})

type pair struct {
	set   *GTIDSet
	naive naiveSet
}

var pairGenerator = rapid.Custom(func(t *rapid.T) pair {
	p := pair{&GTIDSet{}, naiveSet{}}
	for _, g := range rapid.SliceOfN(gtidGenerator, 0, 30).Draw(t, "gtids") {
		last := rapid.Int64Range(g.Number, universeNumbers).Draw(t, "last")
		if err := p.set.AddInterval(g.UUID, g.Tag, g.Number, last); err != nil {
			t.Fatal(err)
		}
		p.naive.addRun(g, last)
	}
	return p
})

func TestSetFollowsNaiveSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, n := &GTIDSet{}, naiveSet{}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { checkSame(t, s, n) },
			"Add": func(t *rapid.T) {
				g := gtidGenerator.Draw(t, "gtid")
				if err := s.Add(g); err != nil {
					t.Fatal(err)
				}
				n[g] = true
			},
			"AddInterval": func(t *rapid.T) {
				g := gtidGenerator.Draw(t, "gtid")
				last := rapid.Int64Range(g.Number, universeNumbers).Draw(t, "last")
				if err := s.AddInterval(g.UUID, g.Tag, g.Number, last); err != nil {
					t.Fatal(err)
				}
				n.addRun(g, last)
			},
			"AddSet": func(t *rapid.T) {
				o := pairGenerator.Draw(t, "other")
				s.AddSet(o.set)
				maps.Copy(n, o.naive)
				o.set.AddSet(s) // must not be seen in s
			},
			"Subtract": func(t *rapid.T) {
				o := pairGenerator.Draw(t, "other")
				s = s.Subtract(o.set)
				n = n.filter(func(g GTID) bool { return !o.naive[g] })
			},
		})
	})
}

func TestLackedUntilIsWhereTheNextOneBegins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, g := pairGenerator.Draw(t, "set"), gtidGenerator.Draw(t, "gtid")
		want := int64(0)
		for n := g; !p.naive[n]; n.Number++ {
			if want = n.Number; want > universeNumbers {
				want = MaxGTIDNumber
				break
			}
		}
		if got := p.set.LackedUntil(g); got != want {
			t.Fatalf("%d for %v in %q, expected %d", got, g, p.set, want)
		}
	})
}

func TestContainsIntervalIsContainsOfEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, g := pairGenerator.Draw(t, "set"), gtidGenerator.Draw(t, "gtid")
		last := rapid.Int64Range(g.Number, universeNumbers).Draw(t, "last")
		want := true
		for n := g; n.Number <= last; n.Number++ {
			want = want && p.naive[n]
		}
		if got := p.set.ContainsInterval(g.UUID, g.Tag, g.Number, last); got != want {
			t.Fatalf("%v for %v to %d in %q", got, g, last, p.set)
		}
	})
}

func TestAlgebraIsThatOfNaiveSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := pairGenerator.Draw(t, "a"), pairGenerator.Draw(t, "b")
		u := rapid.SampledFrom(universeUUIDs).Draw(t, "uuid")
		inB := func(g GTID) bool { return b.naive[g] }
		union := maps.Clone(a.naive)
		maps.Copy(union, b.naive)

		results := []*GTIDSet{a.set.Union(b.set), a.set.Subtract(b.set), a.set.Intersect(b.set), a.set.ForUUID(u), a.set.Clone()}
		checkSame(t, results[0], union)
		checkSame(t, results[1], a.naive.filter(func(g GTID) bool { return !inB(g) }))
		checkSame(t, results[2], a.naive.filter(inB))
		checkSame(t, results[3], a.naive.filter(func(g GTID) bool { return g.UUID == u }))
		checkSame(t, results[4], a.naive)
		if a.set.ContainsSet(b.set) != (len(union) == len(a.naive)) {
			t.Fatalf("%q contains %q: %v", a.set, b.set, a.set.ContainsSet(b.set))
		}
		if a.set.Equal(b.set) != maps.Equal(a.naive, b.naive) {
			t.Fatalf("%q equals %q: %v", a.set, b.set, a.set.Equal(b.set))
		}
		// Results own their memory: writing all over them leaves the operands alone.
		for _, result := range results {
			for g := range universe {
				if err := result.Add(g); err != nil {
					t.Fatal(err)
				}
			}
		}
		checkSame(t, a.set, a.naive)
		checkSame(t, b.set, b.naive)
	})
}

func TestAlgebraLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := pairGenerator.Draw(t, "a").set, pairGenerator.Draw(t, "b").set, pairGenerator.Draw(t, "c").set
		for law, sides := range map[string][2]*GTIDSet{
			"union commutes":           {a.Union(b), b.Union(a)},
			"union associates":         {a.Union(b).Union(c), a.Union(b.Union(c))},
			"intersection commutes":    {a.Intersect(b), b.Intersect(a)},
			"intersection associates":  {a.Intersect(b).Intersect(c), a.Intersect(b.Intersect(c))},
			"intersection distributes": {a.Intersect(b.Union(c)), a.Intersect(b).Union(a.Intersect(c))},
			"difference and its rest":  {a.Subtract(b).Union(a.Intersect(b)), a},
			"difference of a union":    {a.Subtract(b.Union(c)), a.Subtract(b).Subtract(c)},
			"difference twice":         {a.Subtract(a.Subtract(b)), a.Intersect(b)},
			"difference is disjoint":   {a.Subtract(b).Intersect(b), nil},
			"union with itself":        {a.Union(a), a},
			"intersection with itself": {a.Intersect(a), a},
			"difference with itself":   {a.Subtract(a), nil},
			"absorption":               {a.Union(a.Intersect(b)), a},
			"the parts of all UUIDs":   {a.ForUUID(UUID{}).Union(a.ForUUID(uuidA)).Union(a.ForUUID(uuidB)), a},
		} {
			if !sides[0].Equal(sides[1]) || sides[0].String() != sides[1].String() {
				t.Fatalf("%s: %q and %q", law, sides[0], sides[1])
			}
		}
		if a.ContainsSet(b) != b.Subtract(a).IsEmpty() || a.ContainsSet(b) != a.Union(b).Equal(a) {
			t.Fatal("ContainsSet disagrees with Subtract or Union")
		}
	})
}

func TestTextOfSetIsInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pairGenerator.Draw(t, "set")
		back, err := ParseGTIDSet(p.set.String())
		if err != nil || !back.Equal(p.set) {
			t.Fatalf("%q: %q, %v", p.set, back, err)
		}
		checkSame(t, back, p.naive)
	})
}

// Whatever freedom MySQL allows a writer, the set is the same.
func TestUntidyTextIsTheSameSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pairGenerator.Draw(t, "set")
		text := untidyText(t, p.naive)
		back, err := ParseGTIDSet(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		checkSame(t, back, p.naive)
	})
}

// untidyText writes each GTID of n at least once, in any order and dress.
func untidyText(t *rapid.T, n naiveSet) string {
	gtids := slices.SortedFunc(maps.Keys(n), func(a, b GTID) int { return strings.Compare(a.String(), b.String()) })
	blank := rapid.SampledFrom([]string{"", "", "", " ", "\n", "\t \r"})
	gap := func(token string) string { return token + blank.Draw(t, "blank") }
	var text strings.Builder
	text.WriteString(gap(""))
	for _, g := range rapid.Permutation(gtids).Draw(t, "order") {
		uuid := g.UUID.String()
		if rapid.Bool().Draw(t, "upper") {
			uuid = strings.ToUpper(uuid)
		}
		text.WriteString(gap(uuid))
		if g.Tag != "" || rapid.Bool().Draw(t, "untagged first") {
			if g.Tag == "" {
				text.WriteString(gap(":") + gap("7") + gap("-") + gap("0"))
			} else {
				text.WriteString(gap(":") + gap(strings.ToUpper(string(g.Tag))))
			}
		}
		last := g.Number
		for n[GTID{g.UUID, g.Tag, last + 1}] && rapid.Bool().Draw(t, "longer") {
			last++
		}
		text.WriteString(gap(":") + gap(fmt.Sprint(g.Number)))
		if last > g.Number || rapid.Bool().Draw(t, "range") {
			text.WriteString(gap("-") + gap(fmt.Sprint(last)))
		}
		text.WriteString(gap(",") + rapid.SampledFrom([]string{"", ", ,"}).Draw(t, "empty parts"))
	}
	return text.String()
}

func TestBothWireFormsAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pairGenerator.Draw(t, "set")
		forms := [][]byte{p.set.AppendWire(nil), taggedWire(p.set)}
		for _, form := range forms {
			back, err := DecodeGTIDSet(form)
			if err != nil || !back.Equal(p.set) {
				t.Fatalf("%q as %x: %q, %v", p.set, form, back, err)
			}
			checkSame(t, back, p.naive)
			if cut, err := DecodeGTIDSet(form[:len(form)-1]); err == nil {
				t.Fatalf("cut %x: %q", form, cut)
			}
		}
		if p.set.HasTags() && !slices.Equal(forms[0], forms[1]) {
			t.Fatalf("%q: %x, expected %x", p.set, forms[0], forms[1])
		}
	})
}

// taggedWire is the form that mysqld 9.7 writes for every set once it knows a tag.
func taggedWire(s *GTIDSet) []byte {
	b := []byte{1, byte(len(s.streams)), 0, 0, 0, 0, 0, 1}
	for _, stream := range s.streams {
		b = append(b, stream.id.uuid[:]...)
		b = append(append(b, byte(2*len(stream.id.tag))), stream.id.tag...)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(stream.intervals)))
		for _, iv := range stream.intervals {
			b = binary.LittleEndian.AppendUint64(b, uint64(iv.start))
			b = binary.LittleEndian.AppendUint64(b, uint64(iv.end))
		}
	}
	return b
}
