package store

import "time"

// Object is what a store says of an object.
type Object struct {
	Key      string
	ETag     string // names this content; two that differ are different objects; without quotation marks
	Size     int64  // of the whole object, in bytes
	CRC32C   uint32 // of the whole object, if HasCRC
	HasCRC   bool   // Head, and Get of a whole object, know it, unless the store keeps none
	Meta     map[string]string
	Modified time.Time // by the store's clock; to the second
}

// Condition is what must be true of a key when it is written. The zero value is no
// condition.
type Condition struct {
	absent bool
	etag   string
}

// IfAbsent is the condition that the key has no object.
func IfAbsent() Condition { return Condition{absent: true} }

// IfMatch is the condition that the key has the object with that ETag.
func IfMatch(etag string) Condition { return Condition{etag: etag} }

// None says that there is no condition.
func (c Condition) None() bool { return c == Condition{} }

// Absent says that the key must have no object.
func (c Condition) Absent() bool { return c.absent }

// ETag is that of the object that the key must have; "" = any.
func (c Condition) ETag() string { return c.etag }

// Holds says whether the condition is met by a key that has an object with that
// ETag; "" = it has none.
func (c Condition) Holds(etag string) bool {
	switch {
	case c.absent:
		return etag == ""
	case c.etag != "":
		return etag == c.etag
	}
	return true
}

// PutOptions are those of Put. The zero value replaces whatever is there.
type PutOptions struct {
	If   Condition
	Meta map[string]string // see CheckMeta; Head and Get return it

	// CRC32C of the body, if HasCRC; else Put computes it. A wrong one is ErrBadSum.
	CRC32C uint32
	HasCRC bool
}

// Range is what Get reads. The zero value is the whole object.
type Range struct {
	Offset  int64
	Length  int64  // <= 0 = up to the object's end; what is beyond that is left out
	IfMatch string // ETag that the object must have; "" = any
}

// Whole says that the range is not limited.
func (r Range) Whole() bool { return r.Offset == 0 && r.Length <= 0 }

// Within is the part of the range that an object of that size has. It is false
// where that is nothing, which is ErrRange; but the whole of an empty object is not.
func (r Range) Within(size int64) (offset, length int64, ok bool) {
	if r.Offset < 0 || r.Offset > size || r.Offset == size && !r.Whole() {
		return 0, 0, false
	}
	length = size - r.Offset
	if r.Length > 0 {
		length = min(length, r.Length)
	}
	return r.Offset, length, true
}

// Page is a part of a listing.
type Page struct {
	Objects []Object
	More    bool // ask again with after = the last key
}
