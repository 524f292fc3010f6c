package store

import "fmt"

// Sealing is a way to make a large object of small ones, best first.
type Sealing int

const (
	SealByCopy      Sealing = iota // CopyPart into an upload with Sum
	SealByPlainCopy                // CopyPart into an upload without; the store keeps no sum of the whole
	SealByUpload                   // PutPart only: the bytes come from the client once more
)

func (s Sealing) String() string {
	switch s {
	case SealByCopy:
		return "checksummed copy"
	case SealByPlainCopy:
		return "copy without a sum"
	case SealByUpload:
		return "upload from the local log"
	}
	return fmt.Sprintf("Sealing(%d)", int(s))
}

// Sum says whether uploads for that way are created with UploadOptions.Sum.
func (s Sealing) Sum() bool { return s != SealByPlainCopy }

// Capabilities are what Probe has proved of a store, beyond what it demands.
type Capabilities struct {
	Sealing     Sealing
	BodySums    bool // bodies of Put with a wrong CRC32C are refused
	WholeSums   bool // completions with a wrong CRC32C of the whole are refused; else read the object back
	ListUploads bool // uploads that exist are listed
}

// String says it in a line, for people.
func (c Capabilities) String() string {
	says := func(yes bool, text string) string {
		if yes {
			return text
		}
		return "NOT " + text
	}
	return fmt.Sprintf("conditions honoured; seals by %s; wrong sums %s, of whole objects %s; unfinished uploads %s",
		c.Sealing, says(c.BodySums, "refused"), says(c.WholeSums, "refused"), says(c.ListUploads, "listed"))
}
