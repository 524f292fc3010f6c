package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/replication"
)

func TestErrorsOfTheBucketHaveAKind(t *testing.T) {
	in := func(kind error) error { return fmt.Errorf("copying: %w", &store.Error{Op: "put", Kind: kind}) }
	for _, c := range []struct {
		err  error
		want string
	}{
		{&bucket.HeldError{}, kindAnotherWriter}, {bucket.ErrFenced, kindAnotherWriter}, {bucket.ErrAgain, kindAnotherWriter},
		{&bucket.HistoryError{}, kindHistory}, {&archive.BehindError{}, kindHistory}, {&archive.IdentityError{}, kindHistory},
		{&bucket.DamageError{}, kindDamage}, {in(store.ErrBadSum), kindDamage}, {in(store.ErrIgnoresConditions), kindConditions},
		{in(store.ErrCredentials), kindCredentials}, {in(store.ErrDenied), kindDenied}, {in(store.ErrNoBucket), kindNoBucket},
		{in(store.ErrWrongRegion), kindRegion}, {in(store.ErrClockSkew), kindClock}, {&archive.DiskError{Err: os.ErrPermission}, kindDisk},
		{in(store.ErrTemporary), kindTemporary}, {in(store.ErrUncertain), kindTemporary}, {errors.New("else"), kindOther},
	} {
		if got := bucketErrorKind(c.err); got != c.want || !slices.Contains(bucketErrorKinds, got) {
			t.Errorf("%v is counted as %s, want %s", c.err, got, c.want)
		}
	}
}

// docs/bucket.md says for each kind what to do.
func TestEveryKindOfErrorIsInTheDocument(t *testing.T) {
	table := document(t, "bucket.md")
	for _, kind := range bucketErrorKinds {
		if kind != kindDisk && kind != kindOther && !strings.Contains(table, "| `"+kind+"` |") {
			t.Errorf("docs/bucket.md has no line for %s", kind)
		}
	}
}

// A daemon with a bucket that has gone, and a verification that has found something.
func TestWhatAlertsLookAtIsCollected(t *testing.T) {
	dir := t.TempDir()
	gone := filepath.Join(dir, "bucket")
	c := &config.Config{
		DataDir: filepath.Join(dir, "data"), HTTP: config.HTTP{Listen: config.Off},
		Bucket:  config.Bucket{URL: "file://" + gone, LocalLimit: 1 << 30},
		Sources: []config.Source{{Name: "main", Address: "127.0.0.1:1", User: "u", ServerID: 1, Listen: config.Off, Heartbeat: 7 * time.Second}},
	}
	c.FillDefaults()
	ended := Verification{Ended: time.Unix(1_700_000_000, 0).UTC(), Files: 5, Damages: 2, First: "binlog.000003 at 1234"}
	main := filepath.Join(c.DataDir, "main")
	for _, d := range []string{gone, main} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	log, err := archive.Open(t.Context(), archive.Options{Dir: main, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	// An empty directory would be made from the bucket.
	if err := errors.Join(log.Bind(archive.Identity{Flavor: replication.MySQL, ServerID: 1}), log.Close(), keepVerification(main, ended)); err != nil {
		t.Fatal(err)
	}
	d, err := openDaemon(c, []settings{{Source: c.Sources[0]}}, slog.New(slog.DiscardHandler), new(underWay))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := d.sources[0]
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	eventually(t, "errors of the bucket", func() (bool, string) {
		got := gathered(t, d.metrics.registry)
		return got["binlogproxy_bucket_errors_total temporary"] > 0 && got["binlogproxy_log_disk_free_bytes"] > 0, fmt.Sprint(got)
	})
	got := gathered(t, d.metrics.registry)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for name, want := range map[string]float64{
		"binlogproxy_bucket_errors_total conditions": 0, "binlogproxy_bucket_failing": 1, "binlogproxy_bucket_epoch": 0,
		"binlogproxy_bucket_piece_interval_seconds": 5, "binlogproxy_log_local_limit_bytes": 1 << 30, "binlogproxy_source_heartbeat_seconds": 7,
		"binlogproxy_archive_verified_timestamp_seconds": 1_700_000_000, "binlogproxy_archive_verified_damages": 2,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s = %v, %v; want %v", name, value, ok, want)
		}
	}
	for _, name := range []string{"binlogproxy_bucket_probed_timestamp_seconds", "binlogproxy_source_last_gap_timestamp_seconds"} {
		if value, ok := got[name]; ok {
			t.Errorf("%s = %v of what never was", name, value)
		}
	}
}

// gathered are the values of a registry's counters and gauges, by name and the label
// that is not the source.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				if l.GetName() != "source" {
					name += " " + l.GetValue()
				}
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}
