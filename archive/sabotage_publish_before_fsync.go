//go:build sabotage_publish_before_fsync

package archive

const sabotaged = publishBeforeFsync
