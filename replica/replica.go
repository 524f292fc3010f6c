package replica

import (
	"context"
	"maps"
	"math"
	"time"
)

// Replica follows one source.
type Replica struct {
	options  Options
	status   statusBook
	counters counters

	// plainDumpEnd is the last offset that COM_BINLOG_DUMP has room for: a field,
	// because a test cannot wait for 4 GiB.
	plainDumpEnd int64

	// Of the goroutine in Run alone.
	registered bool    // the source has had us in SHOW REPLICAS since we started
	attempt    attempt // the current connection
	isReady    bool    // OnReady was called
	refused    refusal // the last one
	suspected  int     // connections in a row that found nothing readable where they resumed
}

// attempt is what became of one connection.
type attempt struct {
	resumed bool // a stream was asked for from within a file
	moved   bool // at least one event of it was taken
	useful  bool // something was received that was not held before, or a heartbeat
}

// New returns a Replica that does nothing until Run. The error lists every
// mistake in the options.
func New(options Options) (*Replica, error) {
	options = options.withDefaults()
	if err := options.validate(); err != nil {
		return nil, &StopError{Reason: StopConfiguration, Err: err}
	}
	options.Source.Attributes = maps.Clone(options.Source.Attributes)
	if options.Source.Attributes == nil {
		options.Source.Attributes = make(map[string]string)
	}
	options.Source.Attributes["program_name"] = "binlogproxy"
	options.Source.Attributes["_client_role"] = "binary_log_listener"
	r := &Replica{options: options, plainDumpEnd: math.MaxUint32}
	r.counters.now = options.Now
	r.status.now = options.Now
	return r, nil
}

// Run follows the source, over as many connections as it takes. It returns when
// ctx ends, with its error, or at a permanent error: a *StopError where it is
// ours, else that of the sink or of OnSource. Nothing of it runs on after that.
// It is called once.
//
// An Append of the sink that blocks is not ended by ctx: who ends ctx also ends
// the sink's wait.
func (r *Replica) Run(ctx context.Context) error {
	backoff := backoff{min: r.options.BackoffMin, max: r.options.BackoffMax, rand: r.options.Rand, now: r.options.Now}
	for {
		backoff.began()
		r.attempt = attempt{}
		r.status.connecting()
		err := r.connect(ctx)
		if ctx.Err() != nil {
			r.status.stopped(nil)
			return ctx.Err()
		}
		err, stop := r.judge(err)
		if stop {
			r.status.stopped(err)
			return err
		}
		switch {
		case classify(err) == duplicate:
			backoff.longest()
		case r.attempt.useful:
			backoff.reset()
		}
		wait := backoff.next()
		r.status.broken(err, wait)
		r.options.Logger.Warn("connection to the source ended", "err", err, "retry_in", wait)
		if !sleep(ctx, wait) {
			r.status.stopped(nil)
			return ctx.Err()
		}
	}
}

func (r *Replica) becomeReady() {
	if r.isReady {
		return
	}
	r.isReady = true
	r.status.ready()
	if r.options.OnReady != nil {
		r.options.OnReady()
	}
}

// sleep waits, and returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
