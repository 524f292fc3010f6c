package replica

import "github.com/binlogproxy/binlogproxy/replication"

// lag is how many bytes of the source's log lie between at and end, given the
// files that the source has; -1 where that cannot be said.
func lag(at, end replication.Position, files []BinlogFile) int64 {
	if at.File == "" || end.File == "" {
		return -1
	}
	order, ok := compareNames(at.File, end.File)
	switch {
	case !ok:
		return -1
	case order > 0: // we are further than what was last heard of
		return 0
	case order == 0:
		return max(0, end.Offset-at.Offset)
	}
	bytes := end.Offset - at.Offset
	for _, f := range files {
		behindStart, ok := compareNames(f.Name, at.File)
		if !ok || behindStart < 0 {
			continue
		}
		if beforeEnd, _ := compareNames(f.Name, end.File); beforeEnd < 0 {
			bytes += f.Size
		}
	}
	return max(0, bytes)
}
