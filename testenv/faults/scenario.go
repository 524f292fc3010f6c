package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
)

// scenario is one passage of a daemon through all that it does with its disk, on an
// empty directory and with a primary that begins anew: start, receive, rotate and
// seal; die, recover and receive; end.
type scenario struct {
	*Options
	daemon *child.Daemon
	claims *claims
	full   bool         // what fails is that there is no space
	mend   func() error // the operator's: the disk is sound from now on. The daemon is dead then

	mended bool
	exits  int // that the daemon made by itself
	stops  int // of the source, the daemon going on
}

// history begins the primary's binlog anew, with the same content each time.
var history = []string{
	"DROP DATABASE IF EXISTS faults",
	"RESET BINARY LOGS AND GTIDS",
	"CREATE DATABASE faults",
	"CREATE TABLE faults.t (id INT PRIMARY KEY AUTO_INCREMENT, data LONGBLOB)",
	"INSERT INTO faults.t (data) VALUES (REPEAT('a', 30000)), (REPEAT('b', 20))",
}

// more is what the primary writes in each part of the passage.
var more = []string{
	"INSERT INTO faults.t (data) VALUES (REPEAT('c', 1500000))",
	"FLUSH BINARY LOGS",
	"INSERT INTO faults.t (data) VALUES (REPEAT('d', 700))",
}

func (s *scenario) execute(ctx context.Context, statements []string) error {
	for _, text := range statements {
		if _, err := s.Primary.DB().ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%.60s: %w", text, err)
		}
	}
	return nil
}

// pass goes through it all. When it returns, the daemon has ended, and held all that
// the primary had before that.
func (s *scenario) pass(ctx context.Context) error {
	if err := s.execute(ctx, history); err != nil {
		return err
	}
	if err := s.live(ctx, s.daemon.Kill); err != nil {
		return err
	}
	return s.live(ctx, s.terminate)
}

// terminate ends the daemon. It may say that its disk fails, but for one that is full.
func (s *scenario) terminate() error {
	code, err := s.daemon.Stop()
	if code == 1 && !s.full && !s.mended {
		s.exits++
		return s.inLog()
	}
	if err != nil || code != 0 {
		return fmt.Errorf("SIGTERM: exit code %d, %v", code, err)
	}
	return nil
}

// live starts the daemon, has it receive twice, and ends it.
func (s *scenario) live(ctx context.Context, end func() error) error {
	w, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { w.stop() }()
	for _, statements := range [][]string{nil, more} {
		if err := s.execute(ctx, statements); err != nil {
			return err
		}
		for reached := false; !reached; {
			if reached, err = s.reach(ctx); err != nil {
				return err
			}
			if reached {
				break
			}
			if err := s.again(w); err != nil {
				return err
			}
			if w, err = s.start(ctx); err != nil {
				return err
			}
		}
	}
	err = end()
	return errors.Join(err, s.daemon.Kill(), w.end())
}

func (s *scenario) start(ctx context.Context) (*witness, error) {
	if err := s.daemon.Start(); err != nil {
		return nil, err
	}
	return s.claims.watch(ctx, s.daemon), nil
}

// again is what the operator does whose daemon has ended or whose source has stopped:
// the disk is mended, and nothing that was claimed may be lost by then.
func (s *scenario) again(w *witness) error {
	if s.mended {
		return errors.New("that was on a sound disk")
	}
	s.mended = true
	return errors.Join(s.daemon.Kill(), w.end(), s.mend())
}

// reach waits until the daemon holds all that the primary has. It is not reached where
// the daemon ends, or the source stops, as is documented of a disk that fails: with
// code 1, and with the error in the log, in the status and in the metrics.
func (s *scenario) reach(ctx context.Context) (reached bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	end, err := proof.End(ctx, s.Primary)
	if err != nil {
		return false, err
	}
	var last *sourceStatus
	waitErr := s.daemon.WaitFor(ctx, "at "+end+" or stopped", func() bool {
		st, err := askStatus(ctx, s.daemon)
		if err != nil {
			return false
		}
		last, reached = st, st.Durable == end && st.Published == end
		return reached || st.State == "stopped"
	})
	if waitErr == nil && reached {
		return true, nil
	}
	if waitErr == nil {
		err := s.stoppedWell(ctx, last)
		if err == nil || !s.ended() { // a source that stops before it was ever followed ends the daemon
			s.stops++
			return false, err
		}
	} else if ctx.Err() != nil {
		return false, fmt.Errorf("%w\n%+v", waitErr, last)
	}
	s.exits++
	if code := s.daemon.ExitCode(); code != 1 {
		return false, fmt.Errorf("the daemon ended with %d: %w", code, waitErr)
	}
	return false, s.inLog()
}

// ended says whether the daemon ends by itself.
func (s *scenario) ended() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	_, err := s.daemon.Wait(ctx)
	return err == nil
}

func (s *scenario) inLog() error {
	for _, word := range []string{"input/output error", "no space left"} {
		if strings.Contains(s.daemon.Tail(), word) {
			return nil
		}
	}
	return fmt.Errorf("the log does not say why:\n%s", s.daemon.Tail())
}

// stoppedWell says what does not show that the source has stopped.
func (s *scenario) stoppedWell(ctx context.Context, st *sourceStatus) error {
	stopped, err := metric(ctx, s.daemon, "binlogproxy_source_stopped")
	if err != nil {
		return err
	}
	if st.ExitCode != 1 || stopped != "1" {
		return fmt.Errorf("stopped with %d, metric %q: %s", st.ExitCode, stopped, st.LastError)
	}
	return s.inLog()
}

// metric reads the value of a metric of the one source.
func metric(ctx context.Context, d *child.Daemon, name string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.HTTP()+"/metrics", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if line, ok := strings.CutPrefix(lines.Text(), name+`{source="main"} `); ok {
			return line, nil
		}
	}
	return "", fmt.Errorf("no metric %s", name)
}
