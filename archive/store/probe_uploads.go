package store

import (
	"context"
	"errors"
	"slices"

	"github.com/binlogproxy/binlogproxy/internal/crc32c"
)

// start begins an upload of one part, which is the piece.
func (p *probe) start(ctx context.Context, name string) (Upload, []Part, error) {
	u, err := StartUpload(ctx, p.s, p.key(name), UploadOptions{Sum: p.found.Sealing.Sum()})
	if err != nil {
		return u, nil, err
	}
	p.pending = append(p.pending, u)
	var part Part
	if p.found.Sealing == SealByUpload {
		part, err = p.s.PutPart(ctx, u, 1, probeBody)
	} else {
		part, err = p.s.CopyPart(ctx, u, 1, p.piece)
	}
	return u, []Part{part}, err
}

func (p *probe) complete(ctx context.Context, u Upload, parts []Part, cond Condition) (Object, error) {
	opts := CompleteOptions{Size: int64(len(probeBody)), CRC32C: crc32c.Of(probeBody), If: cond}
	return FinishUpload(ctx, p.s, u, parts, opts, Policy{Attempts: 1})
}

// sealing tries the ways, best first. What fails for the moment decides nothing.
func (p *probe) sealing(ctx context.Context) error {
	var errs []error
	for _, sealing := range []Sealing{SealByCopy, SealByPlainCopy, SealByUpload} {
		p.found.Sealing = sealing
		err := p.seal(ctx, "sealed-"+string(rune('0'+int(sealing))))
		if err == nil || Temporary(err) || errors.Is(err, ErrDenied) || ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (p *probe) seal(ctx context.Context, name string) error {
	u, parts, err := p.start(ctx, name)
	if err != nil {
		return err
	}
	if u.Sum {
		wrong := CompleteOptions{Size: int64(len(probeBody)), CRC32C: crc32c.Of(probeBody) ^ 1, If: IfAbsent()}
		_, err := p.s.CompleteUpload(ctx, u, parts, wrong)
		if p.found.WholeSums = errors.Is(err, ErrBadSum); !p.found.WholeSums {
			if err != nil {
				return err
			}
			if u, parts, err = p.start(ctx, name+"-again"); err != nil { // this one exists now
				return err
			}
		}
	}
	_, err = p.complete(ctx, u, parts, IfAbsent())
	return err
}

// completions proves conditions of completions as Probe does of writes.
func (p *probe) completions(ctx context.Context) error {
	u, parts, err := p.start(ctx, "conditions")
	if err != nil {
		return err
	}
	before, err := p.s.Head(ctx, u.Key)
	if err != nil {
		return err
	}
	for _, cond := range []Condition{IfAbsent(), IfMatch(p.piece.ETag)} {
		_, err := p.complete(ctx, u, parts, cond)
		if err := refused(err); err != nil {
			return err
		}
	}
	if err := p.has(ctx, u.Key, before.ETag); err != nil {
		return err
	}
	if _, err := p.complete(ctx, u, parts, IfMatch(before.ETag)); err != nil {
		return err
	}
	return p.raceCompletions(ctx)
}

func (p *probe) raceCompletions(ctx context.Context) error {
	var uploads []Upload
	var parts [][]Part
	for range probeWriters {
		u, list, err := p.start(ctx, "race-of-uploads")
		if err != nil {
			return err
		}
		uploads, parts = append(uploads, u), append(parts, list)
	}
	_, err := onlyOne(func(i int) (Object, error) { return p.complete(ctx, uploads[i], parts[i], IfAbsent()) })
	return err
}

func (p *probe) uploads(ctx context.Context) error {
	u, _, err := p.start(ctx, "unfinished")
	if err != nil {
		return err
	}
	listed, err := p.s.ListUploads(ctx, u.Key)
	p.found.ListUploads = slices.ContainsFunc(listed, func(l Upload) bool { return l.ID == u.ID && l.Key == u.Key })
	return err
}
