package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/atomicfile"
)

// Verification is the outcome of a run of `archive verify` over all of a source's archive.
// The command leaves it in the source's directory, where the daemon finds it.
type Verification struct {
	Ended   time.Time `json:"ended"`
	Files   int       `json:"files"`   // binlog files that were read
	Damages int       `json:"damages"` // 0: all is well
	First   string    `json:"first_damage,omitempty"`
}

func verifiedFile(sourceDir string) string { return filepath.Join(sourceDir, "verified.json") }

// keepVerification replaces the outcome that a source's directory has. Several processes may do so.
func keepVerification(sourceDir string, v Verification) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Replace(verifiedFile(sourceDir), append(b, '\n'))
}

// lastVerification gives the outcome that a source's directory has; nil before the first.
func lastVerification(sourceDir string) (*Verification, error) {
	b, err := os.ReadFile(verifiedFile(sourceDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := new(Verification)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, err
	}
	return v, nil
}
