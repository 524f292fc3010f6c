//go:build sabotage_no_compare

package archive

const sabotaged = noCompare
