package child

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Status is the part of /status that programs here look at.
type Status struct {
	Sources []struct {
		Name       string `json:"name"`
		State      string `json:"state"`
		Durable    string `json:"durable"` // FILE:OFFSET
		LagBytes   int64  `json:"lag_bytes"`
		Executed   string `json:"gtid_executed"`
		Bytes      int64  `json:"bytes"`
		Downstream []struct {
			LagBytes int64 `json:"lag_bytes"`
		} `json:"downstreams"`
		Bucket *BucketStatus `json:"bucket"` // nil without one
	} `json:"sources"`
}

// BucketStatus says how far a bucket has what the log has.
type BucketStatus struct {
	Epoch        uint64 `json:"epoch"`
	Stored       string `json:"stored"` // FILE:OFFSET
	BehindBytes  int64  `json:"behind_bytes"`
	PendingFiles int    `json:"pending_files"` // complete, and not in the bucket's catalog
}

// Status decodes /status into v, a *Status or any other shape of it.
func (d *Daemon) Status(ctx context.Context, v any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	response, err := d.get(ctx, "/status")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(v)
}

// WaitReady waits until /readyz answers 200, or fails when the process ends.
func (d *Daemon) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.options.ReadyTimeout)
	defer cancel()
	return d.WaitFor(ctx, "ready", func() bool {
		response, err := d.get(ctx, "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// WaitDurable waits until the one source's log is durable up to FILE:OFFSET.
func (d *Daemon) WaitDurable(ctx context.Context, end string) error {
	return d.WaitFor(ctx, "at "+end, func() bool {
		var st Status
		err := d.Status(ctx, &st)
		return err == nil && len(st.Sources) == 1 && st.Sources[0].Durable == end
	})
}

// WaitDurableOf waits until the log of the source name is durable up to FILE:OFFSET.
func (d *Daemon) WaitDurableOf(ctx context.Context, name, end string) error {
	return d.WaitFor(ctx, name+" at "+end, func() bool {
		var st Status
		if d.Status(ctx, &st) != nil {
			return false
		}
		for _, s := range st.Sources {
			if s.Name == name {
				return s.Durable == end
			}
		}
		return false
	})
}

// WaitStored waits until the bucket has all that the log of each source has, complete files
// as such.
func (d *Daemon) WaitStored(ctx context.Context) error {
	return d.WaitFor(ctx, "at the end of its log, in the bucket", func() bool {
		var st Status
		if d.Status(ctx, &st) != nil {
			return false
		}
		for _, s := range st.Sources {
			if b := s.Bucket; b == nil || b.Stored != s.Durable || b.PendingFiles > 0 || b.BehindBytes > 0 {
				return false
			}
		}
		return len(st.Sources) > 0
	})
}

// WaitFor waits until something is reached, or fails when the process ends.
func (d *Daemon) WaitFor(ctx context.Context, what string, reached func() bool) error {
	_, done := d.process()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-done:
			return fmt.Errorf("the daemon ended before it was %s:\n%s", what, d.Tail())
		case <-ctx.Done():
			return fmt.Errorf("the daemon is not %s: %w\n%s", what, ctx.Err(), d.Tail())
		}
	}
	return nil
}

// Metric reads /metrics and adds up the series of that name.
func (d *Daemon) Metric(ctx context.Context, name string) (sum float64, err error) {
	response, err := d.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	found := false
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", series, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("/metrics has no %s", name)
	}
	return sum, nil
}

func (d *Daemon) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.options.HTTP+path, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}
