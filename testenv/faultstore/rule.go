package faultstore

import (
	"errors"
	"slices"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Op is a method of store.Store.
type Op string

const (
	Put            Op = "put"
	Get            Op = "get"
	Head           Op = "head"
	List           Op = "list"
	Delete         Op = "delete"
	CreateUpload   Op = "create upload"
	PutPart        Op = "put part"
	CopyPart       Op = "copy part"
	CompleteUpload Op = "complete upload"
	AbortUpload    Op = "abort upload"
	ListUploads    Op = "list uploads"
)

// Fault is what happens to a request. Those that do not fit an operation leave it
// alone.
type Fault int

const (
	LostRequest      Fault = iota + 1 // the network fails, and nothing was done
	LostResponse                      // it was done, and the network fails
	Refused                           // nothing was done; the error has Rule.Kind
	FalseSuccess                      // of a write: nothing was done, and success is answered
	Truncated                         // of Get: the body ends before its length, as by a cut connection
	Flipped                           // of Get: a bit of the body is another; of a whole body that is store.ErrBadSum
	StaleETag                         // of Head, Get and List: the ETag of the object's last predecessor
	Holes                             // of List: some objects are left out
	IgnoredCondition                  // of Put and CompleteUpload: done whether the condition holds or not
)

// Rule says which requests meet a fault. The zero value of a field is no limit.
type Rule struct {
	Fault  Fault
	Kind   error   // of Refused: store.ErrDenied, …; nil = store.ErrTemporary, as a 503
	Ops    []Op    // nil = all
	Key    string  // a part of the key, or of the prefix of a listing
	Chance float64 // of each request that matches; 0 = always
	Skip   int     // so many matching requests first
	Times  int     // so often
	seen   int
	met    int
}

// matches says whether the rule applies, and counts.
func (r *Rule) matches(op Op, key string, random func() float64) bool {
	if r.Ops != nil && !slices.Contains(r.Ops, op) || !strings.Contains(key, r.Key) || !r.Fault.fits(op) {
		return false
	}
	if r.seen++; r.seen <= r.Skip || r.Times > 0 && r.met >= r.Times {
		return false
	}
	if r.Chance > 0 && random() >= r.Chance {
		return false
	}
	r.met++
	return true
}

func (f Fault) fits(op Op) bool {
	switch f {
	case Truncated, Flipped:
		return op == Get
	case LostResponse:
		return op != Get // whose answer is a body: see Truncated
	case StaleETag:
		return op == Head || op == Get || op == List
	case Holes:
		return op == List
	case IgnoredCondition:
		return op == Put || op == CompleteUpload
	case FalseSuccess:
		return op == Put || op == CompleteUpload || op == Delete || op == AbortUpload
	}
	return true
}

// errLost is what the client sees of a connection that was cut.
var errLost = errors.New("injected: connection reset by peer")

func lost(op Op, key string) error {
	return &store.Error{Op: string(op), Key: key, Kind: store.ErrTemporary, Cause: errLost}
}

func (r *Rule) refusal(op Op, key string) error {
	kind := r.Kind
	if kind == nil {
		kind = store.ErrTemporary
	}
	return &store.Error{Op: string(op), Key: key, Kind: kind, Cause: errors.New("injected")}
}
