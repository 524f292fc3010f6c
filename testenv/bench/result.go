package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// tolerance is how far from its goal a median may lie and still meet it.
const tolerance = 0.05

// Goal is what a figure is to reach. The zero value is none.
type Goal struct {
	Limit    float64
	AtLeast  bool // else at most
	Absolute bool // of our figure itself; else of its ratio to the peer's
}

// AtMostRatio is the goal that our figure is at most limit times the peer's.
func AtMostRatio(limit float64) Goal { return Goal{Limit: limit} }

// AtLeastRatio is the goal that our figure is at least limit times the peer's.
func AtLeastRatio(limit float64) Goal { return Goal{Limit: limit, AtLeast: true} }

// AtMost is the goal that our figure is at most limit.
func AtMost(limit float64) Goal { return Goal{Limit: limit, Absolute: true} }

func (g Goal) text(unit string) string {
	if g.Limit == 0 {
		return ""
	}
	word, of := "<=", "x"
	if g.AtLeast {
		word = ">="
	}
	if g.Absolute {
		of = unit
	}
	return word + " " + number(g.Limit) + " " + of
}

// Result is one line: our figure, and a peer's where there is one.
type Result struct {
	Name string // what was measured, against whom
	Unit string
	Ours Sample
	Peer Sample // empty = nothing to compare with
	Goal Goal
}

// Ratio is our median by the peer's, 0 without a peer.
func (r Result) Ratio() float64 {
	if peer := r.Peer.Median(); peer != 0 {
		return r.Ours.Median() / peer
	}
	return 0
}

// Met tells whether the median is within tolerance of the goal; false without one.
func (r Result) Met() bool {
	value := r.Ratio()
	if r.Goal.Absolute {
		value = r.Ours.Median()
	}
	switch {
	case r.Goal.Limit == 0 || len(r.Ours) == 0 || !r.Goal.Absolute && len(r.Peer) == 0:
		return false
	case r.Goal.AtLeast:
		return value >= r.Goal.Limit*(1-tolerance)
	}
	return value <= r.Goal.Limit*(1+tolerance)
}

// line is a Result in JSON. What there is not is null.
type line struct {
	Name    string   `json:"name"`
	Unit    string   `json:"unit"`
	Ours    *float64 `json:"ours"` // the median, as is Peer
	Peer    *float64 `json:"peer"`
	Ratio   *float64 `json:"ratio"`
	Goal    *string  `json:"goal"`
	Met     *bool    `json:"met"` // within the tolerance
	OursMin *float64 `json:"ours_min"`
	OursMax *float64 `json:"ours_max"`
	PeerMin *float64 `json:"peer_min"`
	PeerMax *float64 `json:"peer_max"`
	Runs    int      `json:"runs"` // values that Ours is the median of
}

func (r Result) line() line {
	line := line{Name: r.Name, Unit: r.Unit, Runs: len(r.Ours)}
	line.Ours, line.OursMin, line.OursMax = r.Ours.spread()
	line.Peer, line.PeerMin, line.PeerMax = r.Peer.spread()
	if ratio := r.Ratio(); ratio != 0 {
		line.Ratio = &ratio
	}
	if r.Goal.Limit != 0 {
		goal, met := r.Goal.text(r.Unit), r.Met()
		line.Goal, line.Met = &goal, &met
	}
	return line
}

// WriteJSON writes results as bench/results.json has them: a list of objects with the
// fields of line.
func WriteJSON(w io.Writer, results []Result) error {
	lines := make([]line, 0, len(results))
	for _, r := range results {
		lines = append(lines, r.line())
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // for the goals
	encoder.SetIndent("", " ")
	return encoder.Encode(lines)
}

var columns = []string{"figure", "unit", "ours (min to max)", "peer (min to max)", "ratio", "goal", "met"}

// WriteTable writes results for a terminal.
func WriteTable(w io.Writer, results []Result) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, strings.Join(columns, "\t"))
	for _, r := range results {
		fmt.Fprintln(tab, strings.Join(r.cells(), "\t"))
	}
	return tab.Flush()
}

// WriteMarkdown writes results as a table of docs/performance.md.
func WriteMarkdown(w io.Writer, results []Result) error {
	lines := [][]string{columns, slices.Repeat([]string{"---"}, len(columns))}
	for _, r := range results {
		lines = append(lines, r.cells())
	}
	for _, cells := range lines {
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")); err != nil {
			return err
		}
	}
	return nil
}

func (r Result) cells() []string {
	ratio, met := "", ""
	if value := r.Ratio(); value != 0 {
		ratio = number(value) + " x"
	}
	if r.Goal.Limit != 0 {
		met = map[bool]string{true: "yes", false: "NO"}[r.Met()]
	}
	return []string{r.Name, r.Unit, r.Ours.cell(), r.Peer.cell(), ratio, r.Goal.text(r.Unit), met}
}

func (s Sample) cell() string {
	switch len(s) {
	case 0:
		return ""
	case 1:
		return number(s[0])
	}
	return fmt.Sprintf("%s (%s to %s)", number(s.Median()), number(s.Min()), number(s.Max()))
}

// number has three digits that count.
func number(v float64) string {
	if v >= 1000 || v <= -1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
