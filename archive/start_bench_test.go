package archive_test

import (
	"fmt"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replication"
)

// BenchmarkOpen starts on a directory with many sealed files, and asks what each
// client asks.
func BenchmarkOpen(b *testing.B) {
	for _, files := range []int{1000, 10_000} {
		dir := b.TempDir()
		h := newHistory(91, replication.ChecksumCRC32)
		h.begin()
		l := mustOpen(b, archive.Options{Dir: dir})
		must(b, l.Bind(testIdentity))
		for range files {
			h.transaction(300, 100)
			h.rotate()
		}
		h.transaction(300, 100)
		must(b, feeder{history: h}.run(l))
		waitPublished(b, l, replication.Position{File: h.file().name, Offset: int64(len(h.file().bytes))})
		must(b, l.Close())
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l := mustOpen(b, archive.Options{Dir: dir})
				if n := len(l.Files()); n != files+1 {
					b.Fatalf("%d files", n)
				}
				must(b, l.Close())
			}
		})
		l = mustOpen(b, archive.Options{Dir: dir})
		b.Run(fmt.Sprintf("ask/files=%d", files), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.FileForGTIDs(h.executed); err != nil || len(l.Files()) != files+1 || l.Executed().IsEmpty() {
					b.Fatal(err)
				}
			}
		})
		must(b, l.Close())
	}
}
