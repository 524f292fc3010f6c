package bench

import (
	"context"
	"fmt"
	"slices"
)

// Sample is what several runs measured.
type Sample []float64

// Median is the middle value, 0 for none.
func (s Sample) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Quantile is the smallest value that at least the q-th part of the values does not exceed.
func (s Sample) Quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	i := int(q * float64(len(sorted)))
	return sorted[min(i, len(sorted)-1)]
}

// Min is the smallest value, 0 for none.
func (s Sample) Min() float64 {
	if len(s) == 0 {
		return 0
	}
	return slices.Min(s)
}

// Max is the largest value, 0 for none.
func (s Sample) Max() float64 {
	if len(s) == 0 {
		return 0
	}
	return slices.Max(s)
}

// spread is nil for none.
func (s Sample) spread() (median, least, most *float64) {
	if len(s) == 0 {
		return nil, nil, nil
	}
	return new(s.Median()), new(s.Min()), new(s.Max())
}

// Runner is one of those who are compared: a run of it gives its figures.
type Runner struct {
	Name string
	Once bool // it runs in the first turn only, since it takes long
	Run  func(ctx context.Context) (map[string]float64, error)
}

// Samples are figures by runner and by name.
type Samples map[string]map[string]Sample

// InTurn lets the runners run one after the other, and all of them again, so that a
// machine that becomes slower does so for all.
func InTurn(ctx context.Context, runs int, runners ...Runner) (Samples, error) {
	samples := Samples{}
	for i := range runs {
		for _, r := range runners {
			if r.Once && i > 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			figures, err := r.Run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Name, err)
			}
			if samples[r.Name] == nil {
				samples[r.Name] = map[string]Sample{}
			}
			for name, value := range figures {
				samples[r.Name][name] = append(samples[r.Name][name], value)
			}
		}
	}
	return samples, nil
}
