package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Policy says how often and when an operation is tried again. The zero value tries
// six times within some seconds.
type Policy struct {
	Attempts int           // in all; 0 = 6
	Base     time.Duration // most that is waited for behind the first; doubles from then on; 0 = 200 ms
	Max      time.Duration // most that is ever waited for; 0 = 5 s

	Sleep  func(context.Context, time.Duration) error // nil = by the clock
	Random func() float64                             // from 0 up to 1; nil = math/rand
}

func (p Policy) withDefaults() Policy {
	if p.Attempts == 0 {
		p.Attempts = 6
	}
	if p.Base == 0 {
		p.Base = 200 * time.Millisecond
	}
	if p.Max == 0 {
		p.Max = 5 * time.Second
	}
	if p.Sleep == nil {
		p.Sleep = sleep
	}
	if p.Random == nil {
		p.Random = rand.Float64
	}
	return p
}

// do calls try until it succeeds, fails for good, or the attempts are used up. Where
// credentials are refused it asks once more, for they may have been renewed.
func (p Policy) do(ctx context.Context, try func() error) error {
	p = p.withDefaults()
	renewed := false
	for attempt := 1; ; attempt++ {
		err := try()
		switch {
		case errors.Is(err, ErrCredentials) && !renewed:
			renewed = true
			continue
		case !Temporary(err) || attempt >= p.Attempts:
			return err
		}
		if p.wait(ctx, attempt) != nil {
			return err
		}
	}
}

// wait waits behind that attempt, for any time up to twice that before: many clients
// that fail at once must not come back at once.
func (p Policy) wait(ctx context.Context, attempt int) error {
	most := p.Max
	if shift := attempt - 1; shift < 30 && p.Base<<shift < p.Max {
		most = p.Base << shift
	}
	return p.Sleep(ctx, time.Duration(p.Random()*float64(most)))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
