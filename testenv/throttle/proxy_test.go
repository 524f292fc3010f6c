package throttle_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/binlogproxy/binlogproxy/testenv/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sender answers each connection with size bytes.
func sender(t *testing.T, content []byte) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				_, _ = io.ReadFull(conn, make([]byte, 1))
				_, _ = conn.Write(content)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		work.Wait()
	})
	return listener.Addr().String()
}

func fetch(t *testing.T, addr string) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("?")); err != nil {
		t.Error(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return got
}

// Bytes arrive unchanged, those of two connections together no faster than the line, and
// side by side: a delay of each chunk by itself would take a hundred times as long.
func TestALineHasBandwidthAndDelay(t *testing.T) {
	content := bytes.Repeat([]byte("binlog"), 1<<20)
	const rate, delay = 40 << 20, 100 * time.Millisecond
	p, err := throttle.Start(sender(t, content), throttle.Line{BytesPerSecond: rate, Delay: delay})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	begin := time.Now()
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			if got := fetch(t, p.Addr()); !bytes.Equal(got, content) {
				t.Errorf("%d bytes came of %d", len(got), len(content))
			}
		})
	}
	clients.Wait()
	took := time.Since(begin)
	if least := time.Duration(2*len(content))*time.Second/rate - 10*time.Millisecond; took < least {
		t.Errorf("%s, the line needs %s", took, least)
	}
	if most := time.Duration(2*len(content)/(64<<10)) * delay; took > most {
		t.Errorf("%s: chunks wait for each other", took)
	}
	p.Close() // once more is no error
}

func TestALineWithoutLimitsAndOneThatIsClosed(t *testing.T) {
	content := bytes.Repeat([]byte("b"), 10<<20)
	p, err := throttle.Start(sender(t, content), throttle.Line{BytesPerSecond: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.Set(throttle.Line{})
	if got := fetch(t, p.Addr()); !bytes.Equal(got, content) {
		t.Errorf("%d bytes came", len(got))
	}
	p.Set(throttle.Line{Delay: time.Hour})
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("bytes came through a closed line")
	}
}
