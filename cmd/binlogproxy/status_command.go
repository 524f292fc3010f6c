package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

type statusCommand struct {
	Sources []string      `arg:"" optional:"" help:"Show these in full; without, several are shown as a table." placeholder:"SOURCE"`
	HTTP    string        `name:"http" help:"Address of the daemon's HTTP listener." default:"127.0.0.1:9851" placeholder:"HOST:PORT" env:"BINLOGPROXY_HTTP_LISTEN"`
	Format  string        `help:"text or json." enum:"text,json" default:"text"`
	Timeout time.Duration `help:"How long to wait for an answer." default:"5s"`
}

// Run prints the status. Its exit code is that of Status.verdict.
func (c *statusCommand) Run(ctx context.Context, s streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+strings.TrimPrefix(c.HTTP, "http://")+"/status", nil)
	if err != nil {
		return &usageError{err}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return &codedError{exitUnreachable, fmt.Errorf("no daemon answers at %s: %w", c.HTTP, err)}
	}
	defer response.Body.Close()
	var st Status
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<20)).Decode(&st); err != nil {
		return fmt.Errorf("the answer of %s is not a status: %w", c.HTTP, err)
	}
	if st.Sources, err = chosen(st.Sources, c.Sources); err != nil {
		return err
	}
	if c.Format == "json" {
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(st)
	} else {
		err = printStatus(s.out, st, len(st.Sources) == 1 || len(c.Sources) > 0)
	}
	if err != nil {
		return err
	}
	return st.verdict()
}

// verdict is the error whose exit code says what is wrong for good: a source that
// has failed or stopped, else one whose history has a gap.
func (st Status) verdict() error {
	for _, s := range st.Sources {
		if s.ExitCode != exitOK {
			return &codedError{s.ExitCode, fmt.Errorf("source %s (%s): %s", s.Name, s.State, s.LastError)}
		}
	}
	for _, s := range st.Sources {
		if len(s.Gaps) > 0 {
			return &codedError{exitGap, fmt.Errorf("source %s: %d gaps in its history", s.Name, len(s.Gaps))}
		}
	}
	return nil
}

// chosen are the sources of some names, all where there are none.
func chosen(all []SourceStatus, names []string) ([]SourceStatus, error) {
	if len(names) == 0 {
		return all, nil
	}
	var some []SourceStatus
	for _, name := range names {
		i := slices.IndexFunc(all, func(s SourceStatus) bool { return s.Name == name })
		if i < 0 {
			return nil, &usageError{fmt.Errorf("the daemon has no source %q", name)}
		}
		some = append(some, all[i])
	}
	return some, nil
}

// printTable shows each source in a line, and what is wrong with it below.
func printTable(w io.Writer, sources []SourceStatus) {
	fmt.Fprint(w, "\nSOURCE\tSTATE\tREADY\tDURABLE\tLAG\tDUMPS\tGAPS\tLISTEN\n")
	for _, s := range sources {
		ready, lag := "no", "-"
		if s.Ready {
			ready = "yes"
		}
		if s.LagBytes >= 0 {
			lag = strconv.FormatInt(s.LagBytes, 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.Name, s.State, ready, s.Durable, lag, len(s.Downstream), len(s.Gaps), s.Listen)
	}
	for _, s := range sources {
		if problem := s.problem(); problem != "" {
			fmt.Fprintf(w, "\n%s: %s\n", s.Name, problem)
		}
	}
}

func printStatus(out io.Writer, st Status, full bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "binlogproxy %s, up %s, ready: %v\n", st.Version, time.Since(st.Started).Round(time.Second), st.Ready)
	if !st.Reload.Successful {
		fmt.Fprintf(w, "THE LAST RELOAD FAILED: %s\n", strings.ReplaceAll(st.Reload.Error, "\n", "\n  "))
	}
	if !full {
		printTable(w, st.Sources)
		return w.Flush()
	}
	for _, s := range st.Sources {
		fmt.Fprintf(w, "\nsource %s\t%s\n", s.Name, s.State)
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(w, "  %s\t%s\n", name, value)
			}
		}
		line("address", s.Server.Address)
		if s.Server.Version != "" {
			line("server", fmt.Sprintf("%s server_id %d %s", s.Server.Version, s.Server.ServerID, s.Server.ServerUUID))
		}
		line("tls", s.Server.TLS)
		if s.Received != "" {
			line("received", s.Received+lag(s.LagBytes))
		}
		line("durable", s.Durable)
		line("published", s.Published)
		line("held", fmt.Sprintf("%d files, %d bytes", s.Files, s.Bytes))
		line("gtid executed", oneLine(s.Executed))
		line("gtid purged", oneLine(s.Purged))
		if s.DiskFree != nil {
			line("free on its disk", fmt.Sprintf("%d bytes", *s.DiskFree))
		}
		if v := s.Verified; v != nil {
			line("verified", fmt.Sprintf("%s: %d files, %d damages %s", v.Ended.Format(time.RFC3339), v.Files, v.Damages, v.First))
		}
		if s.Stalled {
			line("STALLED", "the disk is full: nothing is received until there is room")
		}
		if b := s.Bucket; b != nil {
			line("bucket", b.URL)
			line("in the bucket", fmt.Sprintf("up to %s, %d bytes and %.0f s behind; %d complete files wait", b.Stored, b.BehindBytes, b.BehindSeconds, b.PendingFiles))
			line("on this disk", fmt.Sprintf("%d files, %d bytes", b.LocalFiles, b.LocalBytes))
			line("BUCKET", b.LastError)
			line("DAMAGE THERE", b.LastDamage)
		}
		for _, g := range s.Gaps {
			line("GAP", fmt.Sprintf("behind %s, goes on with %s, missing %s: %s", g.From, g.Next, oneLine(g.Missing), g.Reason))
		}
		line("last error", s.LastError)
		line("listen", s.Listen)
		for _, d := range s.Downstream {
			line("downstream", fmt.Sprintf("%s@%s %s, server_id %d at %s%s", d.User, d.Host, d.protection(), d.ServerID, d.Position, lag(d.LagBytes)))
		}
	}
	return w.Flush()
}

func (d DownstreamStatus) protection() string {
	if d.TLS {
		return "with TLS"
	}
	return "without TLS"
}

func lag(bytes int64) string {
	switch {
	case bytes < 0:
		return ""
	case bytes == 0:
		return " (caught up)"
	}
	return " (" + strconv.FormatInt(bytes, 10) + " bytes behind)"
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "") }
