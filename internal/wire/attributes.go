package wire

import "iter"

// Attributes are the connection attributes of a client as they came: pairs of
// length-encoded strings. They stay encoded because decoding would multiply what
// a client that has not logged in can make us allocate.
//
// As in mysqld (read_client_connect_attrs), pairs that do not decode are no
// reason to refuse a login: they and what follows are not there.
type Attributes []byte

// All yields names and values in the order in which the client sent them. They
// alias the Attributes and are whatever the client chose to say.
func (a Attributes) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for r := NewReader("attributes", a); r.Len() > 0; {
			name, value := r.LenencBytes("name"), r.LenencBytes("value")
			if r.Err() != nil || !yield(name, value) {
				return
			}
		}
	}
}

// Get returns the first value of a name, for example of "_client_role" or
// "program_name", or "".
func (a Attributes) Get(name string) string {
	for n, value := range a.All() {
		if string(n) == name {
			return string(value)
		}
	}
	return ""
}

// With returns the attributes and one more pair.
func (a Attributes) With(name, value string) Attributes {
	return appendLenencString(appendLenencString(a, name), value)
}
