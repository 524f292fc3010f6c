package archive

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/catalog"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// restore makes an empty directory from the bucket, before recovery reads it. What it
// leaves is what a log leaves that was closed, but for the bytes of files that stay
// in the bucket, and for the beginning of the open file, which fetchHead brings later.
//
// RESTORING is first, source.json last: while that is missing, nothing counts, and all of
// it is done again.
func (l *Log) restore(ctx context.Context) error {
	marker, err := l.readRestoring()
	if err != nil {
		return err
	}
	_, err = l.fs.Stat(sourcePath(l.dir))
	bound := err == nil
	switch {
	case err != nil && !isNotExist(err):
		return unreadable("stat", sourcePath(l.dir), err)
	case l.opts.Bucket == nil && marker != nil && !(bound && marker.Fetched):
		return &DamageError{File: restoringPath(l.dir), Expected: "the bucket from which the directory is being made", Found: "no bucket in the configuration"}
	case l.opts.Bucket == nil || bound && marker == nil:
		return nil
	case bound:
		return l.goOnRestoring(ctx, marker)
	case marker == nil:
		if err := l.checkUnbound(); err != nil {
			return err
		}
	}
	return l.restoreAnew(ctx, marker)
}

// goOnRestoring decides what becomes of a directory that was made from the bucket and whose
// bucket may have more by now.
func (l *Log) goOnRestoring(ctx context.Context, marker *restoring) error {
	received, err := l.receivedSince(marker)
	if err != nil {
		return err
	}
	l.restored.marker = marker
	switch {
	case received && marker.Fetched:
		return nil
	case received:
		return l.completeFetch(ctx, marker)
	}
	l.restored.pending.Store(true)
	if marker.Fetched {
		p, err := l.readPlan(ctx)
		if err != nil && !permanent(err) && !marker.Damaged {
			l.logger.Warn("the bucket cannot be asked whether it has more: what is held is used", "err", err)
			return nil
		}
		if err != nil || p == nil || !marker.Damaged && (p.damage != nil || p.marker().same(marker)) {
			return err
		}
		if !marker.Damaged && !p.extends(marker) {
			l.logger.Error("the bucket has less than when the directory was made from it: what is held is used", "held_to", marker.End, "in_the_bucket_to", p.marker().End)
			return nil
		}
	}
	if err := l.removeFile(sourcePath(l.dir)); err != nil {
		return err
	}
	return l.restoreAnew(ctx, marker)
}

func (r *restoring) same(other *restoring) bool {
	return r.Timeline == other.Timeline && r.Seq == other.Seq && r.End == other.End && r.Gaps == other.Gaps && slices.Equal(r.Files, other.Files)
}

// receivedSince says whether the directory holds anything that did not come from the
// bucket. What it cannot read is a matter of recovery, and no reason to throw it away.
func (l *Log) receivedSince(marker *restoring) (bool, error) {
	_, doc, err := l.readSource()
	if err != nil {
		return true, err
	}
	if len(doc.Gaps) != marker.Gaps || doc.Timelines[len(doc.Timelines)-1].Dir() != marker.Timeline {
		return true, nil
	}
	dir := path.Join(l.dir, marker.Timeline)
	names, err := l.fs.ReadDir(dir)
	if err != nil {
		return true, &DiskError{Op: "read", File: dir, Err: err}
	}
	if slices.ContainsFunc(names, func(name string) bool { return !marker.made(name) }) {
		return true, nil
	}
	if marker.open() == "" {
		return false, nil
	}
	size, err := l.fs.Stat(path.Join(dir, marker.open()))
	if isNotExist(err) {
		return true, nil
	}
	if err != nil {
		return true, unreadable("stat", path.Join(dir, marker.open()), err)
	}
	return size > marker.End, nil
}

// made says whether a restore has made an entry of the timeline's directory.
func (r *restoring) made(name string) bool {
	return name == path.Base(catalogPath("")) || slices.Contains(r.Files, strings.TrimSuffix(name, indexSuffix))
}

// restoreAnew makes the directory. An object that vanishes meanwhile has been replaced by
// another one, unless that happens again.
func (l *Log) restoreAnew(ctx context.Context, old *restoring) error {
	err := l.tryRestore(ctx, old, false)
	if lostObject(err) {
		if old, err = l.readRestoring(); err == nil {
			err = l.tryRestore(ctx, old, true)
		}
	}
	return err
}

// lostObject says that an object is not there any more, or not the one it was.
func lostObject(err error) bool {
	var damage *bucket.DamageError
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCondition) || errors.Is(err, store.ErrBadSum) || errors.As(err, &damage)
}

func (l *Log) tryRestore(ctx context.Context, old *restoring, final bool) error {
	if err := l.sweepRestore(old); err != nil {
		return err
	}
	p, err := l.readPlan(ctx)
	if err != nil {
		return err
	}
	if p == nil {
		return l.removeFile(restoringPath(l.dir))
	}
	if final {
		if err := p.adopt(ctx, l.opts.Bucket); err != nil {
			return err
		}
	}
	marker := p.marker()
	if err := l.writeRestoring(marker); err != nil {
		return err
	}
	dir := path.Join(l.dir, marker.Timeline)
	if err := MakeDir(l.fs, dir); err != nil {
		return l.diskError("create directory", dir, err)
	}
	l.publish(func(v *view) { v.Timeline = marker.Timeline })
	if err := l.fetchFiles(ctx, p, marker, final); err != nil {
		return err
	}
	if err := l.writeRestored(p); err != nil {
		return err
	}
	l.restored.marker = marker
	l.restored.damage = p.damage
	l.restored.pending.Store(true)
	l.logger.Info("made from the bucket", "dir", l.dir, "bucket", l.opts.Bucket.String(), "files", p.lastSeq(), "file", marker.open(), "end", marker.End, "fetched", marker.Fetched)
	return nil
}

// sweepRestore removes what an interrupted restore has left. There is no source.json: none
// of it counts.
func (l *Log) sweepRestore(old *restoring) error {
	if old == nil {
		return nil
	}
	l.closeMark()
	l.mark = markFile{}
	names := []string{markPath(l.dir), catalogPath(path.Join(l.dir, old.Timeline))}
	for _, f := range old.Files {
		name := path.Join(l.dir, old.Timeline, f)
		names = append(names, name, name+indexSuffix)
	}
	if _, err := l.fs.ReadDir(path.Join(l.dir, old.Timeline)); isNotExist(err) {
		names = names[:1]
	}
	for _, name := range names {
		if err := l.removeFile(name); err != nil {
			return err
		}
	}
	return nil
}

// fetchFiles fetches the files behind the sealed ones. What of the open one is not needed
// at once is left for later. Where a file is damaged in the bucket, it and those behind
// it are left out.
func (l *Log) fetchFiles(ctx context.Context, p *plan, marker *restoring, final bool) error {
	for i, f := range p.fetched {
		err := l.fetchOne(ctx, p, f, i == len(p.fetched)-1)
		if lostObject(err) && !final {
			return err
		}
		if lostObject(err) {
			err = damagedObject(err, f.objectAt(0), 0)
		}
		var damage *DamageError
		if errors.As(err, &damage) {
			return l.leaveOut(p, marker, i, damage)
		}
		if err != nil {
			return err
		}
	}
	if l.restored.head != nil {
		return nil
	}
	marker.Fetched, marker.Damaged = true, p.damage != nil
	return l.writeRestoring(marker)
}

func (l *Log) fetchOne(ctx context.Context, p *plan, f *fetchedFile, open bool) error {
	if open && l.opts.Remote != nil {
		h, err := l.fetchEnd(ctx, p, f)
		if h != nil || err != nil {
			return err
		}
	}
	return l.fetchWhole(ctx, p, f, open)
}

// leaveOut lets a damaged file and those behind it stay in the bucket. A sealed one among
// them can still be read up to where it is damaged.
func (l *Log) leaveOut(p *plan, marker *restoring, i int, damage error) error {
	for _, f := range p.fetched[i:] {
		if f.manifest != nil {
			p.sealed = append(p.sealed, *f.manifest)
		}
		name := l.filePath(f.begin.Name)
		if err := errors.Join(l.removeFile(name), l.removeFile(name+indexSuffix)); err != nil {
			return err
		}
	}
	p.fetched, p.damage = p.fetched[:i], damage
	l.closeMark()
	l.mark = markFile{}
	if err := l.removeFile(markPath(l.dir)); err != nil {
		return err
	}
	*marker = *p.marker()
	marker.Fetched, marker.Damaged = true, true
	return l.writeRestoring(marker)
}

// writeRestored lets what was made count.
func (l *Log) writeRestored(p *plan) error {
	b, err := p.records()
	if err != nil {
		return err
	}
	name := catalogPath(path.Join(l.dir, p.timeline.Dir()))
	f, err := l.fs.OpenFile(name, Create)
	if err != nil {
		return l.diskError("create", name, err)
	}
	defer f.Close()
	if err := writeAt(f, b, 0); err != nil {
		return l.diskError("write", name, err)
	}
	if err := l.sync(f, name); err != nil {
		return err
	}
	if err := l.syncDir(path.Dir(name)); err != nil {
		return err
	}
	doc := p.source
	doc.Format = catalog.Version
	content, err := doc.Encode()
	if err != nil {
		return err
	}
	if err := replaceFile(l.fs, sourcePath(l.dir), content); err != nil {
		return l.diskError("replace", sourcePath(l.dir), err)
	}
	return nil
}

// completeFetch fetches what an earlier process had not fetched yet of a file that it has
// received more of. What was received stays as it is.
func (l *Log) completeFetch(ctx context.Context, marker *restoring) error {
	p, err := l.readPlan(ctx)
	if err != nil {
		return err
	}
	var f *fetchedFile
	if p != nil && p.timeline.Dir() == marker.Timeline {
		f = p.file(l.opts.Bucket, marker.Seq)
	}
	if f == nil || f.begin.Name != marker.open() || f.end < marker.End {
		return &DamageError{File: l.opts.Bucket.String(), Offset: marker.End, Expected: "the bytes of " + marker.open() + " up to there, of which the disk has but the end", Found: "less"}
	}
	f.end = marker.End
	l.publish(func(v *view) { v.Timeline = marker.Timeline })
	of, err := l.openHeld(heldFile{begin: f.begin})
	if err != nil {
		return err
	}
	defer of.close()
	_, err = l.copyFile(ctx, p.timeline, f, 0, f.end, of.data)
	if lostObject(err) {
		return damagedObject(err, f.objectAt(0), 0)
	}
	if err != nil {
		return err
	}
	if err := l.sync(of.data, l.filePath(of.name)); err != nil {
		return err
	}
	if _, _, err := l.recoverMark(); err != nil {
		return err
	}
	if err := l.proveFetched(ctx, p, f, of, true); err != nil {
		return err
	}
	marker.Fetched = true
	return l.writeRestoring(marker)
}
