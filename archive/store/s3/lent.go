package s3

import (
	"bytes"
	"errors"
	"sync"
)

// lent is the body of a request. Its owner takes it back when the request is over: the
// transport may read on for a moment after an early answer, or when it was given up
// (net/http.RoundTripper), and the bytes may be others by then.
type lent struct {
	mu   sync.Mutex
	body *bytes.Reader // nil once it was taken back
}

func lend(data []byte) *lent { return &lent{body: bytes.NewReader(data)} }

var errTakenBack = errors.New("the request is over")

func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.body == nil {
		return 0, errTakenBack
	}
	return l.body.Read(p)
}

// Seek implements io.Seeker, for the client to find out that the body can be sent again.
func (l *lent) Seek(offset int64, whence int) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.body == nil {
		return 0, errTakenBack
	}
	return l.body.Seek(offset, whence)
}

// takeBack returns when nobody reads any more.
func (l *lent) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.body = nil
}
