package server

import "github.com/binlogproxy/binlogproxy/replication"

// Upstream tells who the source is. It is asked at each greeting and for each
// statement, so it must answer from memory; while the source is away it gives
// what was last known, across restarts too.
type Upstream interface {
	// Identity returns false while nothing is known yet. Connections are then closed
	// without a greeting, which all clients take for a server that is starting.
	Identity() (Identity, bool)
}

// Identity is what the server says of itself in the source's name.
type Identity struct {
	Flavor replication.Flavor
	// Version is the source's version string, unchanged: clients choose statements
	// and encodings by it.
	Version    string
	ServerID   uint32
	ServerUUID string // 36 characters; "" where there is none (MariaDB)
	// Variables are values of the source's global variables as SHOW GLOBAL VARIABLES
	// prints them, by lower-case name. Of the names in UpstreamVariables those that
	// the source has; others are ignored.
	Variables map[string]string
}

// GTIDMode returns the source's gtid_mode, "OFF" where it has none.
func (i Identity) GTIDMode() string {
	if mode, ok := i.Variables["gtid_mode"]; ok {
		return mode
	}
	return "OFF"
}

// number is the version as MySQL writes it in executed comments: 9.7.4 is 90704.
// It is 0 when the string does not begin with a version.
func (i Identity) number() uint32 {
	var parts [3]uint32
	part := 0
	for _, c := range []byte(i.Version) {
		switch {
		case c >= '0' && c <= '9' && parts[part] < 100:
			parts[part] = parts[part]*10 + uint32(c-'0')
			continue
		case c == '.' && part < len(parts)-1:
			part++
			continue
		}
		break
	}
	return parts[0]*10000 + parts[1]*100 + parts[2]
}
