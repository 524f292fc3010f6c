package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replication"
)

// Where a source whose files are not held yet is begun, beside a file's name.
const (
	FromOldest = "oldest"
	FromNewest = "newest"
)

// OnGap says what happens when the source no longer has what follows what is held.
type OnGap string

const (
	OnGapContinue OnGap = "continue" // record the gap, go on with the oldest file there is
	OnGapStop     OnGap = "stop"     // stop with StopGap
)

// Defaults of Options.
const (
	DefaultHeartbeatPeriod = 10 * time.Second
	DefaultBackoffMin      = 500 * time.Millisecond
	DefaultBackoffMax      = 30 * time.Second
)

// silentHeartbeats is how many heartbeat periods without a byte break a connection.
const silentHeartbeats = 3

// Options of a Replica. Sink, Source.Addr, ServerID and ServerUUID are required.
type Options struct {
	// Source says how the source is reached. Its Attributes are set by New.
	Source dial.Options

	// ServerID and ServerUUID are ours. They differ from those of the source and
	// of its replicas, and stay the same for ever: by them the source ends what a
	// broken connection of ours left behind.
	ServerID   uint32
	ServerUUID string

	// Predecessor is the ServerUUID of one that was this replica until it lost its
	// disk: the source may go on listing it under ServerID until it notices. May be "".
	Predecessor string

	// ReportHost (at most 60 bytes) and ReportPort are what SHOW REPLICAS at the
	// source says of us. Empty and 0 by default.
	ReportHost string
	ReportPort uint16

	// HeartbeatPeriod is how long the source may have nothing to send before it
	// says so. Three of them without a byte break the connection. 0 means
	// DefaultHeartbeatPeriod.
	HeartbeatPeriod time.Duration

	// From is FromOldest, FromNewest or the name of a file. It counts only while
	// the sink holds nothing. "" means FromOldest.
	From string

	// OnGap: "" means OnGapContinue.
	OnGap OnGap

	// BackoffMin is the least time between two attempts to connect and where
	// waiting begins; it doubles up to BackoffMax, and each wait is a random part
	// of that. 0 means the default.
	BackoffMin time.Duration
	BackoffMax time.Duration

	// Sink takes what is received.
	Sink Sink

	// OnSource is told at every connect who the source is, before anything is
	// asked of the sink. An error ends the connection, and the Replica if it is
	// permanent (see Sink). nil accepts every source.
	OnSource func(context.Context, SourceInfo) error

	// OnReady is called once: when what the sink holds has been compared and the
	// stream goes on behind it. A permanent error before it is one of starting
	// up. May be nil.
	OnReady func()

	// Logger: nil means slog.Default.
	Logger *slog.Logger

	// Now and Rand (evenly in [0, 1)) are the clock of the status and the jitter
	// of waiting. nil means time.Now and math/rand.
	Now  func() time.Time
	Rand func() float64
}

// withDefaults returns o with each zero replaced by its meaning.
func (o Options) withDefaults() Options {
	if o.HeartbeatPeriod == 0 {
		o.HeartbeatPeriod = DefaultHeartbeatPeriod
	}
	if o.From == "" {
		o.From = FromOldest
	}
	if o.OnGap == "" {
		o.OnGap = OnGapContinue
	}
	if o.BackoffMin == 0 {
		o.BackoffMin = DefaultBackoffMin
	}
	if o.BackoffMax == 0 {
		o.BackoffMax = max(DefaultBackoffMax, o.BackoffMin)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return o
}

var uuidText = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// maxReportHost is HOSTNAME_LENGTH of servers before 8.0.17.
const maxReportHost = 60

// maxHeartbeatPeriod is SLAVE_MAX_HEARTBEAT_PERIOD of mysqld, in whole seconds.
const maxHeartbeatPeriod = 4294967 * time.Second

// validate returns all mistakes of options that have their defaults.
func (o *Options) validate() error {
	var mistakes []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	check(o.Sink != nil, "no sink")
	check(o.Source.Addr != "", "no address of the source")
	check(o.ServerID != 0, "the server id must not be 0: it would ask for the end of the log only")
	check(uuidText.MatchString(o.ServerUUID), "%q is not a server uuid", o.ServerUUID)
	check(len(o.ReportHost) <= maxReportHost, "the reported host has %d bytes: at most %d", len(o.ReportHost), maxReportHost)
	check(o.HeartbeatPeriod >= time.Millisecond && o.HeartbeatPeriod <= maxHeartbeatPeriod, "heartbeat period %s: from 1ms to %s", o.HeartbeatPeriod, maxHeartbeatPeriod)
	check(o.From == FromOldest || o.From == FromNewest || replication.ValidFileName(o.From) == nil,
		"start %q: expected %s, %s or a binlog file's name", o.From, FromOldest, FromNewest)
	check(o.OnGap == OnGapContinue || o.OnGap == OnGapStop, "on gap %q: expected %s or %s", o.OnGap, OnGapContinue, OnGapStop)
	check(o.BackoffMin > 0 && o.BackoffMax >= o.BackoffMin, "backoff from %s to %s", o.BackoffMin, o.BackoffMax)
	return errors.Join(mistakes...)
}
