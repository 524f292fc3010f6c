package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Getter is what is needed of a store.
type Getter interface {
	Get(ctx context.Context, key string, r store.Range) (*store.Body, error)
	Head(ctx context.Context, key string) (store.Object, error)
}

// Options are those of New.
type Options struct {
	// Patience is how long a block may take to come, with all repetitions, before its
	// readers get an error. 0 = 30 s.
	Patience time.Duration
	Rand     func() float64 // in [0, 1), for the waits between repetitions; nil = math/rand
}

// Files reads objects of one store as files.
type Files struct {
	store Getter
	cache *Cache
	opts  Options

	stop    context.CancelFunc
	running context.Context // of fetches and loads
	work    sync.WaitGroup  // fetches and loads

	// Guarded by Cache.mu.
	closed  bool
	objects map[objectName]*object
}

// New makes Files of a store, on a cache that other stores may use too. Close it
// before the cache.
func New(s Getter, cache *Cache, opts Options) *Files {
	if opts.Patience == 0 {
		opts.Patience = 30 * time.Second
	}
	if opts.Rand == nil {
		opts.Rand = rand.Float64
	}
	f := &Files{store: s, cache: cache, opts: opts, objects: map[objectName]*object{}}
	f.running, f.stop = context.WithCancel(context.Background())
	return f
}

// Close ends all fetches; reads that wait for one get an error that is
// fs.ErrClosed. It returns when no goroutine is left.
func (fs *Files) Close() error {
	fs.cache.mu.Lock()
	fs.closed = true
	fs.cache.mu.Unlock()
	fs.stop()
	fs.work.Wait()
	return nil
}

// objectName is an object as callers name it.
type objectName struct {
	key, etag string
	size      int64
}

// object is one content of an object, and what its blocks are cached under.
type object struct {
	files *Files
	objectName
	readers int // open files that have it; guarded by Cache.mu

	// pin is the ETag that all answers must have: the caller's, else that of the first
	// answer, which is "" until it comes. Guarded by Cache.mu.
	pin string
	bad int // GETs of all of it whose bytes had not its sum; guarded by Cache.mu
}

// maxIdleObjects bounds the objects that are remembered, with their pins and the
// blocks cached under them, while no file has them.
const maxIdleObjects = 1 << 14

func (fs *Files) openObjectLocked(name objectName) *object {
	o := fs.objects[name]
	if o == nil {
		fs.forgetObjectsLocked()
		o = &object{files: fs, objectName: name, pin: name.etag}
		fs.objects[name] = o
	}
	o.readers++
	return o
}

// forgetObjectsLocked makes room for another object, where there are too many that no
// file has.
func (fs *Files) forgetObjectsLocked() {
	if len(fs.objects) < maxIdleObjects {
		return
	}
	for name, o := range fs.objects {
		if o.readers == 0 {
			delete(fs.objects, name)
			return
		}
	}
}

// check compares what a store has answered with the pin, and pins what has none.
func (o *object) check(found store.Object) error {
	o.files.cache.mu.Lock()
	defer o.files.cache.mu.Unlock()
	if o.pin == "" {
		o.pin = found.ETag
	}
	if found.ETag == o.pin && found.Size == o.size {
		return nil
	}
	o.unpinLocked()
	return o.errorLocked(found, nil)
}

func (o *object) errorLocked(found store.Object, err error) *ObjectError {
	return &ObjectError{Key: o.key, Expected: o.pin, ExpectedSize: o.size, Found: found.ETag, FoundSize: found.Size, Err: err}
}

// unpinLocked lets files that are opened from now on begin anew, where the pin was
// not the caller's. Those that are open keep theirs: they never mix two objects.
func (o *object) unpinLocked() {
	if o.etag == "" && o.files.objects[o.objectName] == o {
		delete(o.files.objects, o.objectName)
	}
}

// differs looks again at an object that a GET has not found as it should be. Only
// where that is no passing mood of the store, it is an *ObjectError.
func (o *object) differs(ctx context.Context, limit time.Duration, err error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, again := o.files.store.Head(ctx, o.key)
	c := o.files.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Requests++
	switch {
	case again != nil && !errors.Is(again, store.ErrNotFound):
		return &store.Error{Op: "head", Key: o.key, Kind: store.ErrTemporary, Cause: errors.Join(err, again)}
	case again == nil && found.Size == o.size && (found.ETag == o.pin || o.pin == ""):
		return &store.Error{Op: "get", Key: o.key, Kind: store.ErrTemporary, Cause: fmt.Errorf("%v, but it is there", err)}
	}
	o.unpinLocked()
	return o.errorLocked(found, err)
}

// rotten forgets what came of an object whose bytes did not have its sum. That may
// have happened on the way; the second time it is damage.
func (o *object) rotten(err error) error {
	c := o.files.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := int64(0); i <= blockAt(o.size-1); i++ {
		c.forgetLocked(blockID{o, i})
	}
	if o.bad++; o.bad == 1 {
		return err
	}
	return o.errorLocked(store.Object{ETag: o.pin, Size: o.size}, err)
}
