package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/replica"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Status is the document that /status gives and `status --format=json` prints.
// Fields are only ever added.
type Status struct {
	Version string         `json:"version"`
	Started time.Time      `json:"started"`
	Ready   bool           `json:"ready"`
	Sources []SourceStatus `json:"sources"`
}

// SourceStatus is one source in Status.
type SourceStatus struct {
	Name       string             `json:"name"`
	State      string             `json:"state"` // connecting, receiving, waiting, stopped
	Ready      bool               `json:"ready"`
	ExitCode   int                `json:"exit_code"` // of a stopped source; 0 otherwise
	LastError  string             `json:"last_error,omitempty"`
	ErrorTime  *time.Time         `json:"last_error_time,omitempty"`
	Server     ServerStatus       `json:"server"`
	Timeline   string             `json:"timeline"`
	Received   string             `json:"received"`  // FILE:OFFSET behind the last event received
	Durable    string             `json:"durable"`   // FILE:OFFSET, all before it is fsynced
	Published  string             `json:"published"` // FILE:OFFSET, all before it is served
	LagBytes   int64              `json:"lag_bytes"` // at the source and not received; -1: unknown
	Stalled    bool               `json:"stalled"`   // the disk is full
	Executed   string             `json:"gtid_executed"`
	Purged     string             `json:"gtid_purged"`
	Files      int                `json:"files"`
	Bytes      int64              `json:"bytes"`
	Gaps       []GapStatus        `json:"gaps"`
	Downstream []DownstreamStatus `json:"downstreams"`
	Listen     string             `json:"listen,omitempty"`

	Events         uint64     `json:"events"`         // received since the start
	ReceivedBytes  uint64     `json:"received_bytes"` // received since the start
	Transactions   uint64     `json:"transactions"`   // held durably since the start
	LastEventTime  *time.Time `json:"last_event_time,omitempty"`
	LastHeard      *time.Time `json:"last_heard,omitempty"`
	Connects       uint64     `json:"connects"`
	ConnectedSince *time.Time `json:"connected_since,omitempty"`
}

// ServerStatus says who the source is.
type ServerStatus struct {
	Address    string `json:"address"`
	Version    string `json:"version"`
	ServerID   uint32 `json:"server_id"`
	ServerUUID string `json:"server_uuid"`
}

// GapStatus is a stretch of history that is lost for good.
type GapStatus struct {
	From     string    `json:"from"` // FILE:OFFSET where it begins
	Next     string    `json:"next"` // file with which history goes on
	Missing  string    `json:"missing_gtids"`
	Reason   string    `json:"reason"`
	Detected time.Time `json:"detected"`
}

// DownstreamStatus is one running dump.
type DownstreamStatus struct {
	ConnectionID uint32    `json:"connection_id"`
	User         string    `json:"user"`
	Host         string    `json:"host"`
	ServerID     uint32    `json:"server_id"`
	ServerUUID   string    `json:"server_uuid"`
	GTID         bool      `json:"gtid"` // by GTID set; else by file and position
	Position     string    `json:"position"`
	LagBytes     int64     `json:"lag_bytes"` // published and not sent
	SentBytes    int64     `json:"sent_bytes"`
	Since        time.Time `json:"since"`
}

// status takes a snapshot of everything.
func (d *daemon) status() Status {
	st := Status{Version: version, Started: d.started.UTC(), Ready: true, Sources: []SourceStatus{}}
	for _, s := range d.sources {
		one := s.status()
		st.Ready = st.Ready && one.Ready
		st.Sources = append(st.Sources, one)
	}
	return st
}

func (s *source) status() SourceStatus {
	r, l, files := s.receiver.Status(), s.log.State(), s.log.Files()
	st := SourceStatus{
		Name: s.config.Name, State: string(r.State), Ready: s.isReady(r),
		LastError: r.LastError, ErrorTime: moment(r.LastErrorAt),
		Server:   ServerStatus{s.config.Address, r.Source.Version, r.Source.ServerID, r.Source.ServerUUID},
		Timeline: l.Timeline, Received: place(r.Position), Durable: place(l.Durable), Published: place(l.Published),
		LagBytes: r.LagBytes, Stalled: l.Stalled, Executed: s.log.Executed().String(), Purged: s.log.Purged().String(),
		Files: len(files), Gaps: []GapStatus{}, Downstream: s.downstreams(files),
		Events: r.Events, ReceivedBytes: r.Bytes, LastEventTime: moment(r.LastEventTime), LastHeard: moment(r.LastHeard),
		Connects: r.Connects, ConnectedSince: moment(r.ConnectedSince), Transactions: uint64(s.log.Stats().Transactions),
	}
	if err := s.stopError(); err != nil {
		st.State, st.ExitCode, st.LastError = string(replica.StateStopped), exitCode(err), err.Error()
	}
	if s.listener != nil {
		st.Listen = s.listener.Addr().String()
	}
	for _, f := range files {
		st.Bytes += f.Size
	}
	for _, g := range s.log.Gaps() {
		st.Gaps = append(st.Gaps, GapStatus{g.From.String(), g.Next, g.Missing.String(), g.Reason, g.Detected.UTC()})
	}
	return st
}

// isReady says whether the source is followed and all is well: what /readyz asks.
func (s *source) isReady(r replica.Status) bool {
	return s.ready.Load() && r.State == replica.StateReceiving && s.stopError() == nil && !s.log.State().Stalled
}

// place prints a position, "" while there is none.
func place(p replication.Position) string {
	if p.File == "" {
		return ""
	}
	return p.String()
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type statusCommand struct {
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
		return &daemonError{exitUnreachable, fmt.Errorf("no daemon answers at %s: %w", c.HTTP, err)}
	}
	defer response.Body.Close()
	var st Status
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<20)).Decode(&st); err != nil {
		return fmt.Errorf("the answer of %s is not a status: %w", c.HTTP, err)
	}
	if c.Format == "json" {
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(st)
	} else {
		err = printStatus(s.out, st)
	}
	if err != nil {
		return err
	}
	return st.verdict()
}

// verdict is the error whose exit code says what is wrong for good: a source that
// has stopped, else one whose history has a gap.
func (st Status) verdict() error {
	for _, s := range st.Sources {
		if s.ExitCode != exitOK {
			return &daemonError{s.ExitCode, fmt.Errorf("source %s has stopped: %s", s.Name, s.LastError)}
		}
	}
	for _, s := range st.Sources {
		if len(s.Gaps) > 0 {
			return &daemonError{exitGap, fmt.Errorf("source %s: %d gaps in its history", s.Name, len(s.Gaps))}
		}
	}
	return nil
}

// daemonError carries the exit code of a condition in another process.
type daemonError struct {
	code int
	err  error
}

func (e *daemonError) Error() string { return e.err.Error() }
func (e *daemonError) Unwrap() error { return e.err }

func printStatus(out io.Writer, st Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "binlogproxy %s, up %s, ready: %v\n", st.Version, time.Since(st.Started).Round(time.Second), st.Ready)
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
		if s.Received != "" {
			line("received", s.Received+lag(s.LagBytes))
		}
		line("durable", s.Durable)
		line("published", s.Published)
		line("held", fmt.Sprintf("%d files, %d bytes", s.Files, s.Bytes))
		line("gtid executed", oneLine(s.Executed))
		line("gtid purged", oneLine(s.Purged))
		if s.Stalled {
			line("STALLED", "the disk is full: nothing is received until there is room")
		}
		for _, g := range s.Gaps {
			line("GAP", fmt.Sprintf("behind %s, goes on with %s, missing %s: %s", g.From, g.Next, oneLine(g.Missing), g.Reason))
		}
		line("last error", s.LastError)
		line("listen", s.Listen)
		for _, d := range s.Downstream {
			line("downstream", fmt.Sprintf("%s@%s server_id %d at %s%s", d.User, d.Host, d.ServerID, d.Position, lag(d.LagBytes)))
		}
	}
	return w.Flush()
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

// downstreams lists the running dumps, with what each has still to be sent.
func (s *source) downstreams(files []archive.File) []DownstreamStatus {
	list := []DownstreamStatus{}
	if s.server == nil {
		return list
	}
	for _, r := range s.server.Replicas() {
		list = append(list, DownstreamStatus{
			ConnectionID: r.ConnectionID, User: r.User, Host: r.Host, ServerID: r.ServerID, ServerUUID: r.UUID, GTID: r.GTID,
			Position: place(r.Position), LagBytes: notSent(r.Position, files), SentBytes: r.Bytes, Since: r.Since.UTC(),
		})
	}
	return list
}

// notSent is how many bytes of files lie behind a position; -1 where it is in none of them.
func notSent(at replication.Position, files []archive.File) int64 {
	behind := int64(-1)
	for _, f := range files {
		switch {
		case f.Name == at.File:
			behind = max(0, f.Size-at.Offset)
		case behind >= 0:
			behind += f.Size
		}
	}
	return behind
}
