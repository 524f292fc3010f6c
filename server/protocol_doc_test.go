package server

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// docs/protocol.md names every variable and function that is answered.
func TestProtocolDocumentNamesWhatIsAnswered(t *testing.T) {
	data, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	document := string(data)
	for _, name := range variableNames {
		if !strings.Contains(document, "`"+name+"`") {
			t.Errorf("variable %s is missing", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		if !strings.Contains(document, "`"+name+"()`") {
			t.Errorf("function %s is missing", name)
		}
	}
}
