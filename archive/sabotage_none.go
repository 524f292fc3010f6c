//go:build !sabotage_skip_fsync && !sabotage_skip_dir_fsync && !sabotage_cut_below_mark && !sabotage_no_compare && !sabotage_publish_before_fsync

package archive

const sabotaged = nothing
