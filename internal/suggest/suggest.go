// Package suggest finds the word that somebody who wrote an unknown one may have
// meant.
package suggest

// Word returns the known word that somebody who wrote word may have meant, ""
// where none is near: at most two letters apart, and a third of them.
func Word(word string, known []string) string {
	nearest, least := "", min(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			nearest, least = k, d
		}
	}
	return nearest
}

// distance is how many letters must be put in, taken out or exchanged (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// DidYouMean is the end of a message about an unknown word, "" without a suggestion.
func DidYouMean(word string, known []string) string {
	if s := Word(word, known); s != "" {
		return `, did you mean "` + s + `"?`
	}
	return ""
}
