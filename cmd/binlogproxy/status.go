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
	Reload  ReloadStatus   `json:"config_reload"`
	Sources []SourceStatus `json:"sources"`
}

// ReloadStatus says what became of the last reload of the configuration.
type ReloadStatus struct {
	Successful  bool       `json:"successful"` // true before the first
	Time        *time.Time `json:"time,omitempty"`
	LastSuccess time.Time  `json:"last_success"` // the start counts as one
	Error       string     `json:"error,omitempty"`
}

// SourceStatus is one source in Status.
type SourceStatus struct {
	Name       string             `json:"name"`
	State      string             `json:"state"` // one of sourceStates
	Ready      bool               `json:"ready"`
	ExitCode   int                `json:"exit_code"` // of a source that has failed or stopped, or cannot be served; 0 otherwise
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
	Bucket     *BucketStatus      `json:"bucket,omitempty"`          // where one is configured
	DiskFree   *int64             `json:"disk_free_bytes,omitempty"` // where the source's files are
	Verified   *Verification      `json:"verified,omitempty"`        // the last one

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
	TLS        string `json:"tls"` // of the last connection: version and cipher, or "off"; "" before the first
}

// BucketStatus says how far the bucket has what the log has.
type BucketStatus struct {
	URL           string     `json:"url"`
	Epoch         uint64     `json:"epoch"`          // of our lease; 0: we do not hold it
	Stored        string     `json:"stored"`         // FILE:OFFSET, all before it is in the bucket; "" while nothing is known
	BehindBytes   int64      `json:"behind_bytes"`   // durable here, and not in the bucket
	BehindSeconds float64    `json:"behind_seconds"` // age of the oldest of them: what is lost with this disk
	PendingFiles  int        `json:"pending_files"`  // complete, and not in the bucket's catalog
	LocalFiles    int        `json:"local_files"`
	LocalBytes    int64      `json:"local_bytes"`
	LocalLimit    int64      `json:"local_limit_bytes"`      // where receiving waits; 0: none
	PieceInterval float64    `json:"piece_interval_seconds"` // as configured
	EvictedFiles  int64      `json:"evicted_files"`          // since the start
	Pieces        int64      `json:"pieces"`                 // written since the start
	PieceBytes    int64      `json:"piece_bytes"`
	SealedFiles   int64      `json:"sealed_files"`           // in the bucket, since the start
	DamageReads   int64      `json:"damage_reads"`           // times that a reader met a damaged object, since the start
	LastDamage    string     `json:"last_damage,omitempty"`  // the last of them
	Capabilities  string     `json:"capabilities,omitempty"` // what the last probe has proved
	Probed        *time.Time `json:"probed,omitempty"`
	LastError     string     `json:"last_error,omitempty"`
	ErrorTime     *time.Time `json:"last_error_time,omitempty"`
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

// States of a source beside those of a receiver.
const (
	stateOpening = "opening" // its log is being opened, which may take a recovery
	stateFailed  = "failed"  // its log could not be opened: nothing is received or served
)

// sourceStates are all states.
var sourceStates = []string{
	stateOpening, stateFailed,
	string(replica.StateConnecting), string(replica.StateReceiving), string(replica.StateWaiting), string(replica.StateStopped),
}

// status takes a snapshot of everything.
func (d *daemon) status() Status {
	st := Status{Version: version, Started: d.started.UTC(), Ready: true, Reload: d.reloadStatus(), Sources: []SourceStatus{}}
	for _, s := range d.all() {
		one := s.status()
		st.Ready = st.Ready && one.Ready
		st.Sources = append(st.Sources, one)
	}
	return st
}

func (d *daemon) reloadStatus() ReloadStatus {
	last := d.lastReload()
	st := ReloadStatus{Successful: last.err == nil, Time: moment(last.at), LastSuccess: last.succeeded.UTC()}
	if last.err != nil {
		st.Error = last.err.Error()
	}
	return st
}

func (s *source) status() SourceStatus {
	c := s.now()
	st := SourceStatus{
		Name: s.name, State: stateOpening, Server: ServerStatus{Address: c.Address}, LagBytes: -1,
		Gaps: []GapStatus{}, Downstream: []DownstreamStatus{},
	}
	if o := s.open.Load(); o != nil {
		st.State = string(replica.StateConnecting)
		o.fill(&st)
		st.Bucket = s.bucketStatus(o)
		o.disk.fill(&st)
	}
	if since, err := s.trouble(); err != nil {
		st.Ready, st.ExitCode, st.LastError, st.ErrorTime = false, exitCode(err), err.Error(), moment(since)
		if _, err := s.following.trouble(); err != nil {
			st.State = string(replica.StateStopped)
		}
		if _, err := s.archiving.trouble(); err != nil {
			st.State = stateFailed
		}
	}
	return st
}

// fill says what an open source holds, receives and serves.
func (o *openSource) fill(st *SourceStatus) {
	l, files := o.log.State(), o.log.Files()
	st.Timeline, st.Durable, st.Published, st.Stalled = l.Timeline, place(l.Durable), place(l.Published), l.Stalled
	st.Executed, st.Purged = o.log.Executed().String(), o.log.Purged().String()
	st.Transactions, st.Files = uint64(o.log.Stats().Transactions), len(files)
	for _, f := range files {
		st.Bytes += f.Size
	}
	for _, g := range o.log.Gaps() {
		st.Gaps = append(st.Gaps, GapStatus{g.From.String(), g.Next, g.Missing.String(), g.Reason, g.Detected.UTC()})
	}
	if r := o.receiver.Load(); r != nil {
		r.fill(st)
		st.Ready = st.Ready && !l.Stalled
	}
	if n := o.listener.Load(); n != nil {
		st.Listen, st.Downstream = n.address(), n.downstreams(files)
	}
}

func (r *receiver) fill(st *SourceStatus) {
	now := r.Status()
	st.State = string(now.State)
	st.Ready = r.ready.Load() && now.State == replica.StateReceiving
	st.LastError, st.ErrorTime = now.LastError, moment(now.LastErrorAt)
	st.Server.Version, st.Server.ServerID, st.Server.ServerUUID = now.Source.Version, now.Source.ServerID, now.Source.ServerUUID
	st.Server.TLS = now.TLS
	st.Received, st.LagBytes = place(now.Position), now.LagBytes
	st.Events, st.ReceivedBytes, st.LastEventTime, st.LastHeard = now.Events, now.Bytes, moment(now.LastEventTime), moment(now.LastHeard)
	st.Connects, st.ConnectedSince = now.Connects, moment(now.ConnectedSince)
}

// bucketStatus is nil without a bucket.
func (s *source) bucketStatus(o *openSource) *BucketStatus {
	storage := s.daemon.storage
	if storage == nil {
		return nil
	}
	u := o.log.UploadStatus()
	st := &BucketStatus{
		URL: storage.store.String(), Epoch: u.Epoch, Stored: place(u.Stored), BehindBytes: u.Behind, PendingFiles: u.Pending,
		EvictedFiles: o.log.Stats().Evicted, Pieces: u.Pieces, PieceBytes: u.Bytes, SealedFiles: u.Files,
		LocalLimit: int64(storage.config.LocalLimit), PieceInterval: storage.config.PieceInterval.Seconds(),
	}
	if n, damage := o.log.StoredDamage(); n > 0 {
		st.DamageReads, st.LastDamage = n, damage.Error()
	}
	if !u.Since.IsZero() {
		st.BehindSeconds = time.Since(u.Since).Seconds()
	}
	for _, f := range o.log.Files() {
		if f.Local {
			st.LocalFiles++
			st.LocalBytes += f.Size
		}
	}
	can, probed := storage.lastProbe()
	if st.Probed = moment(probed); st.Probed != nil {
		st.Capabilities = can.String()
	}
	if since, err := s.storing.trouble(); err != nil {
		st.LastError, st.ErrorTime = err.Error(), moment(since)
	}
	return st
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
func (l *listener) downstreams(files []archive.File) []DownstreamStatus {
	list := []DownstreamStatus{}
	for _, r := range l.server.Replicas() {
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
