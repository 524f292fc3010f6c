package s3

import (
	"context"

	"github.com/minio/minio-go/v7"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// maxPage is one less than a request may bring: one more object tells whether there
// are more.
const maxPage = 999

// List implements store.Objects, by one request.
func (s *Store) List(ctx context.Context, prefix, after string, max int) (store.Page, error) {
	if max <= 0 || max > maxPage {
		max = maxPage
	}
	opts := minio.ListObjectsOptions{Prefix: s.key(prefix), Recursive: true, MaxKeys: max + 1, FetchOwner: new(bool)}
	if after != "" {
		opts.StartAfter = s.key(after)
	}
	var page store.Page
	for info := range s.core.ListObjectsIter(ctx, s.bucket.Name, opts) {
		if info.Err != nil {
			return store.Page{}, s.explain(ctx, "list", prefix, info.Err)
		}
		if len(page.Objects) == max {
			page.More = true
			break
		}
		page.Objects = append(page.Objects, s.object(s.trim(info.Key), info))
	}
	return page, s.explain(ctx, "list", prefix, ctx.Err())
}
