package replica

import "github.com/binlogproxy/binlogproxy/replication"

// artificialRotate takes what the source says before each file.
func (r *receiver) artificialRotate(event []byte) error {
	if r.phase == expectFormat {
		return r.misfit("an artificial ROTATE instead of the file's beginning")
	}
	if r.checksum == replication.ChecksumCRC32 {
		if err := replication.VerifyChecksum(event); err != nil {
			return r.misfit("%w", err)
		}
	}
	rotate, err := replication.ParseRotate(event, r.checksum)
	if err != nil {
		return r.misfit("%w", err)
	}
	if err := replication.ValidFileName(rotate.Name); err != nil {
		return r.misfit("artificial ROTATE: %w", err)
	}
	if r.phase == expectPrevious { // the file has nothing but its FORMAT_DESCRIPTION
		if err := r.recordGap(replication.Header{}, nil); err != nil {
			return err
		}
	}
	if r.phase == expectRotate {
		if rotate.Name != r.position.File || rotate.Position != uint64(r.position.Offset) {
			return r.misfit("the source begins at %s:%d", rotate.Name, rotate.Position)
		}
		r.stored = r.position.Offset == replication.FirstEventOffset
		r.phase = expectFormat
		return nil
	}
	return r.nextFile(rotate)
}

// nextFile goes on with another file of the source.
func (r *receiver) nextFile(rotate replication.Rotate) error {
	order, ok := compareNames(rotate.Name, r.position.File)
	if r.phase == fileEnded && rotate.Name == r.next && rotate.Name != r.position.File {
		order, ok = 1, true // named by the file itself, also where log_bin was given another name
	}
	switch {
	case rotate.Position != uint64(replication.FirstEventOffset):
		return r.misfit("%s begins at %d", rotate.Name, rotate.Position)
	case !ok || order <= 0:
		return r.misfit("%s comes next", rotate.Name)
	case r.phase == fileEnded && rotate.Name != r.next:
		return r.misfit("%s comes next, but the file named %s", rotate.Name, r.next)
	}
	r.position = replication.Position{File: rotate.Name, Offset: replication.FirstEventOffset}
	r.next = ""
	r.stored = true
	r.phase = expectFormat
	return nil
}

// storedRotate remembers the successor that the file names in its last event.
func (r *receiver) storedRotate(event []byte) error {
	rotate, err := replication.ParseRotate(event, r.checksum)
	if err == nil {
		err = replication.ValidFileName(rotate.Name)
	}
	if err != nil {
		return r.misfit("%w", err)
	}
	r.next = rotate.Name
	return nil
}
