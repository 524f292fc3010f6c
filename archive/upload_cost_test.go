package archive_test

import (
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/faultstore"
	"github.com/binlogproxy/binlogproxy/testenv/uploadcost"
)

// At most one piece an interval and one for each 8 MiB, and besides the lease and what
// sealing needs; no byte more often than in one small piece and one big one.
func TestUploadingCostsNoMoreThanItMust(t *testing.T) {
	const (
		interval, lease = 5 * time.Second, 30 * time.Second
		file            = 48 << 20
		bigPiece        = 8<<20 - uploadcost.MaxTransaction // at least: it ends where a transaction does
	)
	for _, c := range []struct {
		name  string
		rate  int64
		times int64 // that a byte is sent, but for those behind the last big piece
	}{
		{"20 MiB a second", 20 << 20, 1},
		{"100 KiB a second", 100 << 10, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cost, err := uploadcost.Count(t.Context(), uploadcost.Options{
				Dir: t.TempDir(), Rate: c.rate, File: file, Files: 1, Interval: interval, Lease: lease,
			})
			must(t, err)
			bigs := cost.Binlog / bigPiece
			pieces := int64(cost.Elapsed/interval) + bigs + 1 // and one of what is left at the file's end
			leases := int64(cost.Elapsed/(lease/3)) + 2       // taken, and given back
			const documents = 4                               // source.json, a catalog that is begun, the file's index, its manifest
			limits := map[faultstore.Op]int64{
				faultstore.Put: pieces + leases + documents, faultstore.Delete: pieces,
				faultstore.CreateUpload: 1, faultstore.CopyPart: bigs, faultstore.PutPart: 1, faultstore.CompleteUpload: 1,
				faultstore.Head: bigs + 2,                                             // before small pieces are deleted; before and behind the sealing
				faultstore.Get:  4, faultstore.List: 7 + 1, faultstore.ListUploads: 1, // to find no history, and that none was lost, take over and sweep, and to drop the file's pieces
			}
			for op, count := range cost.Counts {
				if count.Requests > limits[op] {
					t.Errorf("%s: %d requests, at most %d are needed", op, count.Requests, limits[op])
				}
			}
			if cost.Leases > leases || cost.Pieces > pieces {
				t.Errorf("%d leases and %d pieces were written in %s", cost.Leases, cost.Pieces, cost.Elapsed)
			}
			const rest = 8<<20 + 1<<20 // what is left at the file's end, once more; and documents
			if most := c.times*cost.Binlog + rest; cost.Uploaded() > most {
				t.Errorf("%d bytes were sent for %d, at most %d are needed", cost.Uploaded(), cost.Binlog, most)
			}
		})
	}
}
