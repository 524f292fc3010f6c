//go:build sabotage_ignore_412

package bucket

const sabotaged = ignore412
