//go:build sabotage_skip_dir_fsync

package archive

const sabotaged = skipDirFsync
