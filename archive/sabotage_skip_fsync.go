//go:build sabotage_skip_fsync

package archive

const sabotaged = skipFsync
