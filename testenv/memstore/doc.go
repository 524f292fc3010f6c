// Package memstore is an object store in memory that can forget the bodies of large
// objects: what an upload costs can then be counted for files of any size. All else it
// does as store.Store says.
package memstore
