package config

import (
	"reflect"
	"strings"
)

// keysOf lists the YAML keys of the type in this package with that name.
func keysOf(name string) []string {
	for _, t := range []reflect.Type{
		reflect.TypeFor[Config](), reflect.TypeFor[Log](), reflect.TypeFor[HTTP](), reflect.TypeFor[Bucket](), reflect.TypeFor[Source](),
		reflect.TypeFor[Account](), reflect.TypeFor[ListenTLS](),
	} {
		if t.Name() == name {
			return keys(t)
		}
	}
	return nil
}

func keys(t reflect.Type) (list []string) {
	for i := range t.NumField() {
		key, option, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if option == "inline" {
			list = append(list, keys(t.Field(i).Type)...)
			continue
		}
		list = append(list, key)
	}
	return list
}
