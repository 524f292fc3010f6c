package main

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive"
)

func TestArchiveFlagsAndFieldsAreInTheDocument(t *testing.T) {
	text := document(t, "archive.md")
	_, help, _ := command("archive", "--help")
	for _, name := range regexp.MustCompile(`(?m)^  archive ([a-z]+)`).FindAllStringSubmatch(help, -1) {
		if !strings.Contains(text, "`archive "+name[1]) {
			t.Errorf("docs/archive.md does not mention the command %s", name[1])
		}
		_, help, _ := command("archive", name[1], "--help")
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(help, -1) {
			if flag != "--help" && !strings.Contains(text, "`"+flag) {
				t.Errorf("docs/archive.md does not mention %s of %s", flag, name[1])
			}
		}
	}
	for _, printed := range []reflect.Type{reflect.TypeFor[listedFile](), reflect.TypeFor[statedFile](), reflect.TypeFor[listedGap](), reflect.TypeFor[foundTransaction](), reflect.TypeFor[writtenFile](),
		reflect.TypeFor[archive.Finding](), reflect.TypeFor[archive.Leftover](), reflect.TypeFor[verifyProgress](), reflect.TypeFor[verifyResult]()} {
		for i := range printed.NumField() {
			if field := printed.Field(i).Tag.Get("json"); field != "" && !strings.Contains(text, "`"+field+"`") {
				t.Errorf("docs/archive.md does not mention the field %s of %s", field, printed.Name())
			}
		}
	}
}

func TestEveryCheckOfDoctorIsInTheDocument(t *testing.T) {
	text := document(t, "operations.md")
	names := []string{"configuration", "data-dir", "bucket", "bucket-rights", "bucket-conditions", "bucket-clock"}
	for _, e := range examinations {
		names = append(names, e.name)
	}
	for _, name := range names {
		if !strings.Contains(text, "| `"+name+"` |") {
			t.Errorf("docs/operations.md does not list the check %s", name)
		}
	}
}
