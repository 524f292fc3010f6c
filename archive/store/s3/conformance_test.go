package s3_test

import (
	"crypto/rand"
	"os"
	"path"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/s3"
	"github.com/binlogproxy/binlogproxy/archive/store/storetest"
	"github.com/binlogproxy/binlogproxy/testenv"
)

func TestConformanceOnVersityGW(t *testing.T) {
	server := testenv.NewS3(t, testenv.S3Options{})
	storetest.Run(t, storetest.Everything, func(t testing.TB) store.Store {
		s, err := server.Open("prefix/" + rand.Text())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	})
}

// Against any other service: BINLOGPROXY_TEST_BUCKET=s3://bucket/prefix?endpoint=…
// and credentials as the standard AWS chain finds them.
func TestConformanceOnTheBucketOfTheEnvironment(t *testing.T) {
	raw := os.Getenv("BINLOGPROXY_TEST_BUCKET")
	if raw == "" {
		t.Skip("BINLOGPROXY_TEST_BUCKET is not set")
	}
	open := func(t testing.TB) store.Store {
		bucket, err := s3.ParseURL(raw, os.Getenv)
		if err != nil {
			t.Fatal(err)
		}
		bucket.Prefix = path.Join(bucket.Prefix, rand.Text())
		s, err := s3.Open(bucket, s3.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	can, err := store.Probe(t.Context(), open(t), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s", raw, can)
	storetest.Run(t, can, open)
}
