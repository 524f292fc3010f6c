package replication

import "fmt"

// ParsePreviousGTIDs reads a whole PREVIOUS_GTIDS event: the set of all GTIDs in
// the files before this one, in the binary form of GTIDSet.
func ParsePreviousGTIDs(event []byte, checksum Checksum) (*GTIDSet, error) {
	end := len(event) - checksum.Size()
	if end < HeaderSize {
		return nil, &MalformedError{What: "body", Type: PreviousGTIDsEvent, Reason: fmt.Sprintf("%d bytes", len(event))}
	}
	set, err := DecodeGTIDSet(event[HeaderSize:end])
	if err != nil {
		return nil, &MalformedError{What: "body", Type: PreviousGTIDsEvent, Reason: err.Error()}
	}
	return set, nil
}
