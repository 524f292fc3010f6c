package main

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/faults"
	"github.com/binlogproxy/binlogproxy/testenv/forgetfs"
)

// faultOptions are those of a short run of what make faults does at length.
func faultOptions(t *testing.T) faults.Options {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()>>1 + 1
	t.Log("seed", seed)
	return faults.Options{
		Binary: path, Dir: t.TempDir(), Seed: seed, Say: t.Logf,
		Primary: testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary", Args: []string{"--max-binlog-size=1M"}}),
	}
}

func TestAPowerCutLosesNothingThatWasServed(t *testing.T) {
	err := faults.PowerLoss(t.Context(), faultOptions(t), 5)
	if errors.Is(err, forgetfs.ErrNoFUSE) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnFsyncThatFailsNeverAcknowledges(t *testing.T) {
	err := faults.Sweep(t.Context(), faultOptions(t), faults.Faults[:1], 20)
	if errors.Is(err, forgetfs.ErrNoFUSE) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
