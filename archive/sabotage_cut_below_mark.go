//go:build sabotage_cut_below_mark

package archive

const sabotaged = cutBelowMark
