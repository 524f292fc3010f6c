package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

const (
	probeWriters = 4 // that race for one key
	probeRounds  = 4
	cleanUpTime  = 30 * time.Second
)

// Probe proves, with some dozens of small requests on keys of its own below prefix,
// that the store honours conditions also between racing writers, that the rights
// suffice to write, read, list, delete and upload in parts, and finds out how files
// can be sealed. It removes what it wrote, unless the store fails.
//
// ErrIgnoresConditions where a condition was ignored once; else the store's own
// errors. It wants a store without Retry; after a Temporary error, call it again.
func Probe(ctx context.Context, s Store, prefix string) (c Capabilities, err error) {
	p := &probe{s: s, base: prefix + "probe-" + rand.Text()}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
		defer cancel()
		err = errors.Join(err, p.cleanUp(ctx))
	}()
	for _, step := range []struct {
		doing string
		run   func(context.Context) error
	}{
		{"writing, reading and listing", p.rights},
		{"writing with conditions", p.conditions},
		{"racing writers", p.race},
		{"writing with a wrong sum", p.bodySums},
		{"looking for a way to seal", p.sealing},
		{"completing uploads with conditions", p.completions},
		{"listing unfinished uploads", p.uploads},
	} {
		if err := step.run(ctx); err != nil {
			return c, fmt.Errorf("probing %s: %s: %w", s, step.doing, err)
		}
	}
	return p.found, nil
}

type probe struct {
	s       Store
	base    string // of all keys
	found   Capabilities
	piece   Object // something to copy
	pending []Upload
}

var probeBody = []byte("This object was written to find out what the store can do. It may be deleted.\n")

func (p *probe) key(name string) string { return p.base + "/" + name }

func (p *probe) rights(ctx context.Context) (err error) {
	if p.piece, err = p.s.Put(ctx, p.key("piece"), probeBody, PutOptions{}); err != nil {
		return err
	}
	body, err := p.s.Get(ctx, p.piece.Key, Range{Offset: 5, IfMatch: p.piece.ETag})
	if err != nil {
		return err
	}
	data, err := io.ReadAll(body)
	if err = errors.Join(err, body.Close()); err != nil {
		return err
	}
	if !bytes.Equal(data, probeBody[5:]) {
		return errors.New("other bytes are read than were written")
	}
	page, err := p.s.List(ctx, p.base, "", 0)
	if err == nil && (len(page.Objects) != 1 || page.Objects[0].ETag != p.piece.ETag) {
		err = fmt.Errorf("what was just written is not listed: %v", page.Objects)
	}
	return err
}

// refused turns the outcome of a write whose condition does not hold into an error.
func refused(err error) error {
	if err == nil {
		return ErrIgnoresConditions
	}
	if errors.Is(err, ErrCondition) {
		return nil
	}
	return err
}

func (p *probe) conditions(ctx context.Context) error {
	key := p.key("conditions")
	put := func(text string, cond Condition) (Object, error) {
		return p.s.Put(ctx, key, []byte(text), PutOptions{If: cond})
	}
	first, err := put("first", IfAbsent())
	if err != nil {
		return err
	}
	_, err = put("second", IfAbsent())
	if err := refused(err); err != nil {
		return err
	}
	second, err := put("third", IfMatch(first.ETag))
	if err != nil {
		return err
	}
	_, err = put("fourth", IfMatch(first.ETag))
	if err := refused(err); err != nil {
		return err
	}
	return p.has(ctx, key, second.ETag)
}

// has makes sure that a refusal was not only said.
func (p *probe) has(ctx context.Context, key, etag string) error {
	head, err := p.s.Head(ctx, key)
	if err == nil && head.ETag != etag {
		err = ErrIgnoresConditions
	}
	return err
}

// race lets writers with the same condition write at once, of whom one may win.
func (p *probe) race(ctx context.Context) error {
	key, cond := p.key("race"), IfAbsent()
	for range probeRounds {
		etag, err := onlyOne(func(i int) (Object, error) {
			return p.s.Put(ctx, key, fmt.Appendf(nil, "%d %s", i, rand.Text()), PutOptions{If: cond})
		})
		if err == nil {
			err = p.has(ctx, key, etag)
		}
		if err != nil {
			return err
		}
		cond = IfMatch(etag)
	}
	return nil
}

// onlyOne runs writes at once and returns the ETag of the one that won.
func onlyOne(write func(int) (Object, error)) (etag string, err error) {
	type result struct {
		object Object
		err    error
	}
	results := make(chan result)
	for i := range probeWriters {
		go func() {
			object, err := write(i)
			results <- result{object, err}
		}()
	}
	var errs []error
	for range probeWriters {
		switch r := <-results; {
		case r.err != nil:
			errs = append(errs, refused(r.err))
		case etag != "":
			errs = append(errs, ErrIgnoresConditions)
		default:
			etag = r.object.ETag
		}
	}
	if err = errors.Join(errs...); err == nil && etag == "" {
		err = errors.New("of several writers with a condition that holds, none could write")
	}
	return etag, err
}

func (p *probe) bodySums(ctx context.Context) error {
	_, err := p.s.Put(ctx, p.key("sum"), probeBody, PutOptions{CRC32C: crc32c.Of(probeBody) ^ 1, HasCRC: true})
	p.found.BodySums = errors.Is(err, ErrBadSum)
	if err == nil || p.found.BodySums {
		return nil
	}
	return err
}

// cleanUp removes all that may be there.
func (p *probe) cleanUp(ctx context.Context) (err error) {
	for _, u := range p.pending {
		err = errors.Join(err, p.s.AbortUpload(ctx, u))
	}
	page, listErr := p.s.List(ctx, p.base, "", 0)
	err = errors.Join(err, listErr)
	for _, object := range page.Objects {
		err = errors.Join(err, p.s.Delete(ctx, object.Key))
	}
	if err != nil {
		err = fmt.Errorf("removing what the probe of %s has written: %w", p.s, err)
	}
	return err
}
