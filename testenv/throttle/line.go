package throttle

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	chunkSize = 64 << 10
	onTheWay  = 64 // chunks of a connection that may be

	// burst is how much of its time the line may make up for: sleeping is not exact.
	burst = 5 * time.Millisecond
)

// chunk is what was read at once.
type chunk struct {
	bytes []byte
	due   time.Time // when the delay is over
}

// pass passes on what comes from one side until either ends. What is on its way when that
// side ends still arrives.
func (p *Proxy) pass(ctx context.Context, d direction, to, from *net.TCPConn) {
	way := make(chan chunk, onTheWay)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(way)
		for {
			b := make([]byte, chunkSize)
			n, err := from.Read(b)
			if n > 0 {
				select {
				case way <- chunk{b[:n], time.Now().Add(p.delay(d))}:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	for c := range way {
		if sleepUntil(ctx, c.due) != nil || sleepUntil(ctx, p.reserve(d, len(c.bytes))) != nil {
			break
		}
		if _, err := to.Write(c.bytes); err != nil {
			break
		}
	}
	_ = to.CloseWrite()
	_ = from.CloseRead() // ends the reader where the other side has gone
	reader.Wait()
}

func (p *Proxy) delay(d direction) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d == toTarget {
		return 0
	}
	return p.line.Delay
}

// reserve takes the line for n bytes, and says when they are through.
func (p *Proxy) reserve(d direction, n int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.line.BytesPerSecond <= 0 {
		return now
	}
	if earliest := now.Add(-burst); p.free[d].Before(earliest) {
		p.free[d] = earliest
	}
	p.free[d] = p.free[d].Add(time.Duration(n) * time.Second / time.Duration(p.line.BytesPerSecond))
	return p.free[d]
}

func sleepUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
