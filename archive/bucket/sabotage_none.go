//go:build !sabotage_ignore_412 && !sabotage_catalog_before_complete

package bucket

const sabotaged = nothing
