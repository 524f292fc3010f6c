package main

import (
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
	TLS          bool      `json:"tls"`
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

// downstreams lists the running dumps, with what each has still to be sent.
func (s *source) downstreams(files []archive.File) []DownstreamStatus {
	list := []DownstreamStatus{}
	if s.server == nil {
		return list
	}
	for _, r := range s.server.Replicas() {
		list = append(list, DownstreamStatus{
			ConnectionID: r.ConnectionID, User: r.User, Host: r.Host, TLS: r.TLS, ServerID: r.ServerID, ServerUUID: r.UUID, GTID: r.GTID,
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
