package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/httpfaults"
)

var atOnce = store.Policy{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}

func openBehindFaults(t *testing.T) (store.Store, *httpfaults.Proxy) {
	t.Helper()
	server := testenv.NewS3(t, testenv.S3Options{})
	proxy := httpfaults.New(server.Addr())
	t.Cleanup(proxy.Close)
	return open(t, strings.Replace(server.URL("p"), server.Addr(), proxy.Addr(), 1), server.Credentials()), proxy
}

func method(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == name }
}

// The library's own repetition would turn our success into a refusal.
func TestALostAnswerIsNotFollowedByAnotherRequest(t *testing.T) {
	s, proxy := openBehindFaults(t)
	for _, fault := range []httpfaults.Fault{httpfaults.LostRequest, httpfaults.LostResponse, httpfaults.Overloaded} {
		proxy.Rules(httpfaults.Rule{Fault: fault, Match: method("PUT")})
		if _, err := s.Put(t.Context(), "a", []byte("x"), store.PutOptions{If: store.IfAbsent()}); !store.Temporary(err) {
			t.Errorf("%v", err)
		}
		if requests := proxy.Requests(); !slices.Equal(requests, []string{"PUT /archive/p/a"}) {
			t.Errorf("%q", requests)
		}
		proxy.Rules()
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
}

// A store may answer before it has read the body, which the transport goes on sending then. The
// bytes belong to the caller again when the request is over.
func TestABodyIsNotReadAfterItsRequest(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan bool, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		requests := bufio.NewReader(conn)
		if _, err := http.ReadRequest(requests); err == nil {
			body := "<Error><Code>SlowDown</Code></Error>"
			fmt.Fprintf(conn, "HTTP/1.1 503 Slow Down\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
		rest, _ := io.ReadAll(requests) // until the client has closed
		changed <- bytes.IndexByte(rest, 2) >= 0
	}()
	s := open(t, "s3://archive/p?endpoint=http://"+listener.Addr().String(), staticKeys("id", "s"))
	data := bytes.Repeat([]byte{1}, 48<<20)
	if _, err := s.Put(t.Context(), "a", data, store.PutOptions{}); !store.Temporary(err) {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = 2
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if <-changed {
		t.Error("bytes were sent that were written after the request")
	}
}

func TestSwapsAndUploadsSurviveLostAnswers(t *testing.T) {
	s, proxy := openBehindFaults(t)
	for _, fault := range []httpfaults.Fault{httpfaults.LostRequest, httpfaults.LostResponse, httpfaults.Overloaded} {
		proxy.Rules(httpfaults.Rule{Fault: fault, Match: method("PUT"), Times: 1}, httpfaults.Rule{Fault: httpfaults.LostResponse, Match: method("HEAD"), Times: 1})
		if _, err := store.Swap(t.Context(), s, "a", []byte("x"), store.PutOptions{If: store.IfAbsent()}, atOnce); err != nil {
			t.Errorf("swap: %v", err)
		}
		proxy.Rules()
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		u, err := store.StartUpload(t.Context(), s, "a", store.UploadOptions{Sum: true})
		if err != nil {
			t.Fatal(err)
		}
		data := []byte("the bytes")
		part, err := s.PutPart(t.Context(), u, 1, data)
		if err != nil {
			t.Fatal(err)
		}
		opts := store.CompleteOptions{Size: part.Size, CRC32C: crc32c.Of(data), If: store.IfAbsent()}
		proxy.Rules(httpfaults.Rule{Fault: fault, Match: method("POST"), Times: 1})
		if _, err := store.FinishUpload(t.Context(), s, u, []store.Part{part}, opts, atOnce); err != nil {
			t.Errorf("finish: %v", err)
		}
		proxy.Rules()
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
}

// Answers that end early: a body, a listing, that of a completion.
func TestTruncatedAnswersAreFailuresForTheMoment(t *testing.T) {
	s, proxy := openBehindFaults(t)
	data := bytes.Repeat([]byte("0123456789"), 100000)
	if _, err := s.Put(t.Context(), "a", data, store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	proxy.Rules(httpfaults.Rule{Fault: httpfaults.Truncated})
	if read, _, err := store.ReadAll(t.Context(), s, "a", 1<<20); !store.Temporary(err) || len(read) >= len(data) {
		t.Errorf("a body: %d bytes, %v", len(read), err)
	}
	if page, err := s.List(t.Context(), "", "", 0); !store.Temporary(err) {
		t.Errorf("a listing: %v, %v", page, err)
	}
	proxy.Rules(httpfaults.Rule{Fault: httpfaults.Truncated, Times: 3})
	if read, _, err := store.ReadAll(t.Context(), store.Retry(s, atOnce), "a", 1<<20); err != nil || !bytes.Equal(read, data) {
		t.Errorf("with retries: %d bytes, %v", len(read), err)
	}
	proxy.Rules(httpfaults.Rule{Fault: httpfaults.Overloaded})
	if _, err := store.Retry(s, store.Policy{Attempts: 3, Sleep: atOnce.Sleep}).Head(t.Context(), "a"); !errors.Is(err, store.ErrTemporary) || len(proxy.Requests()) != 3 {
		t.Errorf("%v after %q", err, proxy.Requests())
	}
}
