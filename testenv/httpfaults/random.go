package httpfaults

import (
	"math/rand/v2"
	"net/http"
)

// Random are rules under which a share of the requests that match meets a fault, all
// faults equally often. The proxy is the only one that may use random then.
func Random(random *rand.Rand, share float64, match func(*http.Request) bool) []Rule {
	const faults = int(Failed)
	left := 1.0 // of the requests come as far as the rule
	rules := make([]Rule, faults)
	for i := range rules {
		chance := share / float64(faults) / left
		left -= share / float64(faults)
		rules[i] = Rule{Fault: Fault(i + 1), Match: func(r *http.Request) bool { return match(r) && random.Float64() < chance }}
	}
	return rules
}
