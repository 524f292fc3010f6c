package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

func TestSampleOfAnEvenAndAnOddNumberOfRuns(t *testing.T) {
	for _, c := range []struct {
		s                bench.Sample
		median, min, max float64
	}{
		{nil, 0, 0, 0},
		{bench.Sample{3}, 3, 3, 3},
		{bench.Sample{9, 1, 5}, 5, 1, 9},
		{bench.Sample{4, 1, 2, 10}, 3, 1, 10},
	} {
		if c.s.Median() != c.median || c.s.Min() != c.min || c.s.Max() != c.max {
			t.Errorf("%v: median %v, minimum %v, maximum %v", c.s, c.s.Median(), c.s.Min(), c.s.Max())
		}
	}
}

func TestQuantileIsOneOfTheValues(t *testing.T) {
	s := bench.Sample{5, 4, 3, 2, 1}
	if s.Quantile(0) != 1 || s.Quantile(0.5) != 3 || s.Quantile(0.99) != 5 || s.Quantile(1) != 5 {
		t.Errorf("of %v: %v %v %v %v", s, s.Quantile(0), s.Quantile(0.5), s.Quantile(0.99), s.Quantile(1))
	}
}

func TestAGoalIsMetWithinFivePercent(t *testing.T) {
	for _, c := range []struct {
		ours, peer float64
		goal       bench.Goal
		met        bool
	}{
		{10.4, 100, bench.AtMostRatio(0.1), true},
		{10.6, 100, bench.AtMostRatio(0.1), false},
		{481, 100, bench.AtLeastRatio(5), true},
		{470, 100, bench.AtLeastRatio(5), false},
		{67, 0, bench.AtMost(64), true},
		{68, 0, bench.AtMost(64), false},
		{1, 1, bench.Goal{}, false},
	} {
		r := bench.Result{Ours: bench.Sample{c.ours}, Goal: c.goal}
		if c.peer != 0 {
			r.Peer = bench.Sample{c.peer}
		}
		if r.Met() != c.met {
			t.Errorf("%v against %v with %+v: met is %v", c.ours, c.peer, c.goal, r.Met())
		}
	}
	if (bench.Result{Ours: bench.Sample{1}, Goal: bench.AtMostRatio(2)}).Met() {
		t.Error("a ratio without a peer is met")
	}
}

func results() []bench.Result {
	return []bench.Result{
		{Name: "speed", Unit: "MiB/s", Ours: bench.Sample{900, 1000, 1100}, Peer: bench.Sample{100}, Goal: bench.AtLeastRatio(5)},
		{Name: "memory", Unit: "MiB", Ours: bench.Sample{70}, Goal: bench.AtMost(64)},
		{Name: "information", Unit: "ms", Ours: bench.Sample{1.2345}},
	}
}

func TestResultsAsJSON(t *testing.T) {
	var b bytes.Buffer
	if err := bench.WriteJSON(&b, results()); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"name": "speed", "unit": "MiB/s", "ours": 1000.0, "peer": 100.0, "ratio": 10.0, "goal": ">= 5 x", "met": true,
			"ours_min": 900.0, "ours_max": 1100.0, "peer_min": 100.0, "peer_max": 100.0, "runs": 3.0},
		{"name": "memory", "unit": "MiB", "ours": 70.0, "peer": nil, "ratio": nil, "goal": "<= 64 MiB", "met": false,
			"ours_min": 70.0, "ours_max": 70.0, "peer_min": nil, "peer_max": nil, "runs": 1.0},
		{"name": "information", "unit": "ms", "ours": 1.2345, "peer": nil, "ratio": nil, "goal": nil, "met": nil,
			"ours_min": 1.2345, "ours_max": 1.2345, "peer_min": nil, "peer_max": nil, "runs": 1.0},
	}
	if !reflect.DeepEqual(got, want) || !strings.Contains(b.String(), `">= 5 x"`) {
		t.Errorf("%s", b.Bytes())
	}
}

func TestResultsAsTables(t *testing.T) {
	var text, markdown bytes.Buffer
	if err := bench.WriteTable(&text, results()); err != nil {
		t.Fatal(err)
	}
	if err := bench.WriteMarkdown(&markdown, results()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1000 (900 to 1100)", "10 x", ">= 5 x", "yes", "NO", "1.23"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	lines := strings.Split(strings.TrimSpace(markdown.String()), "\n")
	if len(lines) != 5 || lines[1] != "| --- | --- | --- | --- | --- | --- | --- |" || !strings.HasPrefix(lines[3], "| memory | MiB | 70 |  |  | <= 64 MiB | NO |") {
		t.Errorf("%s", markdown.String())
	}
}

func TestRunnersRunInTurn(t *testing.T) {
	var order []string
	runner := func(name string) bench.Runner {
		return bench.Runner{Name: name, Run: func(context.Context) (map[string]float64, error) {
			order = append(order, name)
			return map[string]float64{"n": float64(len(order))}, nil
		}}
	}
	once := runner("c")
	once.Once = true
	samples, err := bench.InTurn(t.Context(), 2, runner("a"), once, runner("b"))
	if err != nil || strings.Join(order, "") != "acbab" || samples["b"]["n"].Max() != 5 || len(samples["a"]["n"]) != 2 || len(samples["c"]["n"]) != 1 {
		t.Errorf("%v, %v, %v", order, samples, err)
	}
}

func TestAProcessHasUsedProcessorAndMemory(t *testing.T) {
	before, err := bench.ProcessCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for now := before; now == before; { // until the kernel has counted a tick of this loop
		if now, err = bench.ProcessCPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	peak, err := bench.PeakMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if peak < 1<<20 {
		t.Errorf("at most %d bytes were resident", peak)
	}
}
