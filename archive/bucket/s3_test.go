package bucket

import (
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// The life of a file on a real S3 server, by each way to seal, with what the probe says
// of that server.
func TestOnVersityGW(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	server := testenv.NewS3(t, testenv.S3Options{Dir: "/dev/shm"})
	ctx := t.Context()
	for _, sealing := range []store.Sealing{store.SealByCopy, store.SealByPlainCopy, store.SealByUpload} {
		t.Run(sealing.String(), func(t *testing.T) {
			s, err := server.Open("bucket/" + sealing.String())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			found := must[store.Capabilities](t)(store.Probe(ctx, s, "main/"))
			if found.Sealing != store.SealByCopy {
				t.Fatalf("the probe found: %s", found)
			}
			found.Sealing = sealing
			b := New(s, "main", Options{Capabilities: found})

			l, w, _, err := start(ctx, b, "a")
			if err != nil {
				t.Fatal(err)
			}
			one, two := newFile(1, 19*mib), newFile(2, mib)
			pieces := []Piece{
				must[Piece](t)(one.put(ctx, w, 0, 8*mib, nil)),
				must[Piece](t)(one.put(ctx, w, 8*mib, 16*mib, nil)),
				must[Piece](t)(one.put(ctx, w, 16*mib, 19*mib, nil)),
			}
			must[Piece](t)(two.put(ctx, w, 0, mib, &one))
			must[catalog.Manifest](t)(w.Seal(ctx, one.sealing(pieces...)))
			if err := w.DropOpen(ctx, timeline, one.manifest.Name); err != nil {
				t.Fatal(err)
			}
			if err := l.Renew(ctx); err != nil {
				t.Fatal(err)
			}

			_, w, state, err := start(ctx, b, "a")
			if err != nil || w.Epoch() != 2 || len(state.Chains) != 1 || state.At.Offset != mib {
				t.Fatalf("%+v, %v", state, err)
			}
			must[catalog.Manifest](t)(w.Seal(ctx, two.sealing(state.Chains[0].Spans[0].Piece)))
			if held := audit(t, s); len(held) != 2 {
				t.Errorf("%+v", held)
			}
		})
	}
}
