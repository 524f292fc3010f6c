package archive

import (
	"path"
	"slices"

	"github.com/binlogproxy/binlogproxy/archive/catalog"
)

// Bind ties the directory to the server id. The first call names the timeline and
// returns when that is durable; a later one, also after a restart, compares, and
// returns an *IdentityError for another server. A server may change its server_id:
// its uuid says who it is.
func (l *Log) Bind(id Identity) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if held, ok := l.Identity(); ok {
		if held.Flavor != id.Flavor || held.ServerUUID != id.ServerUUID {
			return &IdentityError{Held: held, Found: id}
		}
		return l.stop
	}
	return l.doLocked(func() error { return l.bind(id) })
}

// bind makes the first timeline: its directory and empty catalog, then source.json.
func (l *Log) bind(id Identity) error {
	t := catalog.Timeline{
		Number: 1, ID: id.ServerUUID.String(), Flavor: id.Flavor.String(),
		ServerUUID: id.ServerUUID.String(), ServerID: id.ServerID,
	}
	dir := path.Join(l.dir, t.Dir())
	if err := MakeDir(l.fs, dir); err != nil {
		return l.diskError("create directory", dir, err)
	}
	name := catalogPath(dir)
	f, err := l.fs.OpenFile(name, Create)
	if err != nil {
		return l.diskError("create", name, err)
	}
	doc := catalog.Source{Format: catalog.Version, Epoch: 1, Timelines: []catalog.Timeline{t}}
	if err := l.syncDir(dir); err != nil {
		f.Close()
		return err
	}
	if err := l.writeSource(doc); err != nil {
		f.Close()
		return err
	}
	l.catalog = &journal{fs: l.fs, path: name, file: f}
	l.failedSyncs = 0
	l.nextSeq = 1
	l.publish(func(v *view) { v.Timeline = t.Dir() })
	return nil
}

// What the documents of package catalog say is said of a log too.
type (
	Identity = catalog.Identity
	Gap      = catalog.Gap
	Cut      = catalog.Cut
)

func sourcePath(dir string) string { return path.Join(dir, "source.json") }

func catalogPath(dir string) string { return path.Join(dir, "catalog") }

// writeSource replaces source.json, durably.
func (l *Log) writeSource(doc catalog.Source) error {
	content, err := doc.Encode()
	if err != nil {
		return err
	}
	l.sourceBroken = true
	if err := replaceFile(l.fs, sourcePath(l.dir), content); err != nil {
		return l.diskError("replace", sourcePath(l.dir), err)
	}
	l.sourceBroken = false
	l.pubMu.Lock()
	l.source = doc
	l.source.Timelines, l.source.Gaps = slices.Clone(doc.Timelines), slices.Clone(doc.Gaps)
	l.pubMu.Unlock()
	return nil
}
