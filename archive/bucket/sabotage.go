package bucket

// sabotaged names the one deliberate defect of a saboteur build, each of which a
// test must notice (make sabotage). It is a constant: the compiler removes what
// it guards from every other build.
type sabotage int

const (
	nothing sabotage = iota
	ignore412
	catalogBeforeComplete
)
