package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/binlogproxy/binlogproxy/testenv"
)

const alertsDir = "../../deploy/prometheus"

type alertRules struct {
	Groups []struct {
		Rules []alertRule
	}
}

type alertRule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func allAlerts(t *testing.T) (rules []alertRule) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(alertsDir, "binlogproxy.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var all alertRules
	if err := yaml.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, g := range all.Groups {
		rules = append(rules, g.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("no rules")
	}
	return rules
}

func alertTests(t *testing.T) []string {
	t.Helper()
	tests, err := filepath.Glob(filepath.Join(alertsDir, "tests", "*.yml"))
	if err != nil || len(tests) == 0 {
		t.Fatal(tests, err)
	}
	return tests
}

func TestAlertsFireWhenTheyShouldAndOnlyThen(t *testing.T) {
	promtool, err := testenv.Promtool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "rules", filepath.Join(alertsDir, "binlogproxy.rules.yml")},
		append([]string{"test", "rules"}, alertTests(t)...),
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Each alert has a test in which it fires. What else fires there, and that nothing does
// in the others, promtool compares.
func TestEachAlertHasATestAndARunbook(t *testing.T) {
	var tests strings.Builder
	for _, name := range alertTests(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(b)
	}
	text := document(t, "operations.md")
	names := map[string]bool{}
	for _, r := range allAlerts(t) {
		names[r.Alert] = true
		if !strings.Contains(tests.String(), `alertname="`+r.Alert+`"`) {
			t.Errorf("%s fires in no test", r.Alert)
		}
		if !strings.Contains(text, "\n### "+r.Alert+"\n") || r.Annotations["runbook"] != "docs/operations.md#"+strings.ToLower(r.Alert) {
			t.Errorf("%s has no section in docs/operations.md, or %q does not name it", r.Alert, r.Annotations["runbook"])
		}
		if s := r.Labels["severity"]; s != "warning" && s != "critical" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: severity %q, %v", r.Alert, s, r.Annotations)
		}
	}
	for _, section := range regexp.MustCompile(`(?m)^### (BinlogProxy\w+)$`).FindAllStringSubmatch(text, -1) {
		if !names[section[1]] {
			t.Errorf("docs/operations.md has a section for %s, which there is not", section[1])
		}
	}
}

// docs/metrics.md is what is exported: another test compares.
func TestAlertsAndTheirTestsUseMetricsThatExist(t *testing.T) {
	exported := document(t, "metrics.md")
	metric := regexp.MustCompile(`binlogproxy_[a-z_]+`)
	files := append(alertTests(t), filepath.Join(alertsDir, "binlogproxy.rules.yml"))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, used := range metric.FindAllString(string(b), -1) {
			if !strings.Contains(exported, "`"+strings.TrimSuffix(used, "_bucket")+"`") {
				t.Errorf("%s: %s is no metric", name, used)
			}
		}
	}
	for _, kind := range regexp.MustCompile(`kind="(\w+)"`).FindAllStringSubmatch(allExpressions(t), -1) {
		if !strings.Contains(strings.Join(bucketErrorKinds, " "), kind[1]) {
			t.Errorf("there is no kind %q", kind[1])
		}
	}
	for _, states := range regexp.MustCompile(`state=~"([a-z|]+)"`).FindAllStringSubmatch(allExpressions(t), -1) {
		for state := range strings.SplitSeq(states[1], "|") {
			if !strings.Contains(strings.Join(sourceStates, " "), state) {
				t.Errorf("there is no state %q", state)
			}
		}
	}
	for _, kind := range bucketErrorKinds {
		if !strings.Contains(exported, "`"+kind+"`") {
			t.Errorf("docs/metrics.md does not mention the kind %q", kind)
		}
	}
}

func allExpressions(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, r := range allAlerts(t) {
		all.WriteString(r.Expr + "\n")
	}
	return all.String()
}
