package main

import (
	"math/rand/v2"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/child"
)

// A short run, whose second kill deletes the data directory.
func TestTortureWithABucket(t *testing.T) {
	testenv.RequireDocker(t)
	binary, err := child.Build(t.Context(), t.TempDir(), false, "")
	if err != nil {
		t.Fatal(err)
	}
	o := options{binary: binary, bucket: true, kills: 2, rotations: 2, bigBytes: 9 << 20, seed: rand.Uint64()}
	if err := torture(t.Context(), o); err != nil {
		t.Fatalf("seed %d: %v", o.seed, err)
	}
}
