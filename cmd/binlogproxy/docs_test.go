package main

import (
	"log/slog"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/binlogproxy/binlogproxy/internal/config"
)

func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryMetricIsInTheDocumentAndTheOtherWayRound(t *testing.T) {
	c := &config.Config{DataDir: t.TempDir(), HTTP: config.HTTP{Listen: config.Off}, Sources: []config.Source{{
		Address: "127.0.0.1:1", User: "u", ServerID: 1, Listen: config.Off,
	}}}
	c.FillDefaults()
	d, err := openDaemon(c, []settings{{Source: c.Sources[0]}}, slog.New(slog.DiscardHandler), new(underWay))
	if err != nil {
		t.Fatal(err)
	}
	described := make(chan *prometheus.Desc, 200)
	d.metrics.registry.Describe(described)
	close(described)
	help := map[string]string{}
	for desc := range described {
		parts := regexp.MustCompile(`fqName: "(binlogproxy_[a-z_]+)", help: "([^"]*)"`).FindStringSubmatch(desc.String())
		if parts != nil {
			help[parts[1]] = parts[2]
		}
	}
	exported := slices.Sorted(maps.Keys(help))
	text := document(t, "metrics.md")
	documented := regexp.MustCompile(`binlogproxy_[a-z_]+`).FindAllString(text, -1)
	slices.Sort(documented)
	documented = slices.Compact(documented)
	if !slices.Equal(exported, documented) {
		t.Errorf("exported and documented metrics differ\nexported:   %q\ndocumented: %q", exported, documented)
	}
	for name, meaning := range help {
		if !strings.Contains(text, meaning) {
			t.Errorf("docs/metrics.md does not say of %s: %q", name, meaning)
		}
	}
	if _, err := d.metrics.registry.Gather(); err != nil {
		t.Error(err)
	}
}

func TestEveryKeyFlagAndVariableIsInTheDocument(t *testing.T) {
	text := document(t, "configuration.md")
	for _, key := range yamlKeys(reflect.TypeFor[config.Config]()) {
		if !strings.Contains(text, "`"+key+"`") {
			t.Errorf("docs/configuration.md does not mention the key %q", key)
		}
	}
	flags := reflect.TypeFor[runFlags]()
	for i := range flags.NumField() {
		if variable := flags.Field(i).Tag.Get("env"); !strings.Contains(text, variable) {
			t.Errorf("docs/configuration.md does not mention %s", variable)
		}
	}
	_, help, _ := command("run", "--help")
	for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(help, -1) {
		if flag != "--help" && !strings.Contains(text, "`"+flag+"`") {
			t.Errorf("docs/configuration.md does not mention %s", flag)
		}
	}
}

func TestTheDocumentSaysWhatAChangeOfEachKeyTouches(t *testing.T) {
	text := document(t, "configuration.md")
	for word, touches := range map[string]string{
		"in-place": "logins to come", "reconnect": "the connection to the source", "relisten": "the listener and", "new": "everything",
	} {
		row := regexp.MustCompile(`(?m)^\|.*\| ` + touches).FindString(text)
		source := reflect.TypeFor[config.Source]()
		for i := range source.NumField() {
			field := source.Field(i)
			key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if key == "" {
				key = "password-file"
			}
			if stands := strings.Contains(row, "`"+key+"`"); stands != (field.Tag.Get("reload") == word) {
				t.Errorf("%s: the row %q", key, row)
			}
		}
	}
}

func yamlKeys(of reflect.Type) []string {
	var keys []string
	for i := range of.NumField() {
		f := of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if options != "inline" {
			keys = append(keys, name)
		}
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keys = append(keys, yamlKeys(inner)...)
		}
	}
	return keys
}

func TestTheExampleConfigurationsAreValid(t *testing.T) {
	for _, name := range []string{"binlogproxy.yaml", "several-sources.yaml"} {
		c, err := config.Load("../../examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		c.FillDefaults()
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryExitCodeIsInTheDocument(t *testing.T) {
	text := document(t, "operations.md")
	for _, code := range []string{"0", "1", "2", "3", "4", "5", "7", "9"} {
		if !strings.Contains(text, "| "+code+" |") {
			t.Errorf("docs/operations.md does not list exit code %s", code)
		}
	}
}
