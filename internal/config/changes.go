package config

import (
	"reflect"
	"strings"
)

// Change is how much of a running source a change of its keys touches: a set of
// what is done again.
type Change uint8

const (
	Reconnect Change = 1 << iota // the connection to the source; the log and downstreams stay
	Relisten                     // the listener, with the connections of downstreams; receiving goes on
)

// changes by the word in the tag reload, which every key of a Source has. What changes
// in place holds for what begins from then on. The name cannot change: another name
// is another source.
var changes = map[string]Change{"in-place": 0, "reconnect": Reconnect, "relisten": Relisten, "new": 0}

// Changes compares two configurations of the source of one name: which keys differ,
// and what must be done for it.
func (s Source) Changes(next Source) (change Change, keys []string) {
	before, after := reflect.ValueOf(s), reflect.ValueOf(next)
	for i := range before.NumField() {
		field := before.Type().Field(i)
		if reflect.DeepEqual(before.Field(i).Interface(), after.Field(i).Interface()) {
			continue
		}
		change |= changes[field.Tag.Get("reload")]
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "" { // inline
			key = strings.ToLower(field.Name)
		}
		keys = append(keys, key)
	}
	return change, keys
}
