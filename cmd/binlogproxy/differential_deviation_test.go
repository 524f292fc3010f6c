package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/replication"
)

// deviation is something that the proxy does otherwise on purpose.
type deviation struct {
	here, mysqld string // as docs/protocol.md says it

	// expect gives what the proxy must answer, having checked what mysqld did.
	expect func(t *testing.T, mysqld, proxy []frame) []frame
	met    bool // by a case
}

var (
	heartbeatsV1 = &deviation{
		here: "heartbeats of version 1 below 4 GiB", mysqld: "version 2 if flag 0x0002 is set",
		expect: func(_ *testing.T, mysqld, _ []frame) []frame { return withHeartbeatsV1(mysqld) },
	}
	keptWaiting = &deviation{
		here:   "a blocking client ahead of what is held is kept waiting for up to 30 s without a byte, then closed",
		mysqld: "error 1236",
		expect: func(t *testing.T, mysqld, proxy []frame) []frame {
			if slices.Equal(proxy, []frame{goesOn}) { // what it waited for came
				wantError(t, mysqld, "position > file size")
				return proxy
			}
			wantError(t, mysqld, "Replica has more GTIDs than the source has")
			return []frame{closed}
		},
	}
	forgetful = &deviation{
		here:   "a MySQL replica (program_name mysqld) that declared nothing about checksums is disconnected",
		mysqld: "error 1236",
		expect: func(t *testing.T, mysqld, _ []frame) []frame {
			wantError(t, mysqld, "Replica can not handle replication events with the checksum")
			return []frame{closed}
		},
	}
	positionIgnored = &deviation{here: "GTID set without a name: the position is ignored", mysqld: "starts there, usually within an event"}
	whateverTheMode = &deviation{
		here:   "by file and position, transactions are sent with and without GTID, whatever the source's gtid_mode",
		mysqld: "error 1236 for those without in mode ON, for those with in mode OFF",
		expect: func(t *testing.T, mysqld, proxy []frame) []frame {
			wantError(t, mysqld, "ransaction when @@GLOBAL.GTID_MODE = O")
			before := len(mysqld) - 2 // an error and the end
			if len(proxy) <= before || !slices.Equal(mysqld[:before], proxy[:before]) {
				return mysqld
			}
			if end := proxy[len(proxy)-2]; end.payload[0] != 0xfe {
				t.Errorf("the proxy's answer ends with %q", end.payload)
			}
			return proxy
		},
	}
	noEOF = &deviation{
		here: "no EOF packet at a shutdown", mysqld: "EOF packet",
		expect: func(_ *testing.T, mysqld, _ []frame) []frame {
			n := len(mysqld) - 2
			if n < 0 || mysqld[n].length != 5 || mysqld[n].payload[0] != 0xfe {
				return mysqld
			}
			return slices.Delete(slices.Clone(mysqld), n, n+1)
		},
	}
	plainDirectory = &deviation{
		here: "files in error texts are `./name`", mysqld: "with the directory of log_bin, by default `./`",
		expect: func(_ *testing.T, mysqld, _ []frame) []frame {
			adapted := slices.Clone(mysqld)
			for i, f := range adapted {
				f.payload = strings.ReplaceAll(f.payload, otherLogBin, "./")
				f.length -= len(mysqld[i].payload) - len(f.payload)
				adapted[i] = f
			}
			return adapted
		},
	}
	noWarnings = &deviation{
		here:   "no OK and no end of rows counts warnings or tells of a missing index",
		mysqld: "an error before COM_PING or COM_REGISTER_SLAVE and a deprecated character set are counted; status bit 0x0020 behind SHOW VARIABLES",
		expect: func(_ *testing.T, mysqld, _ []frame) []frame {
			const noIndexUsed = 0x20
			mysqld = slices.Clone(mysqld)
			for i, f := range mysqld {
				if f.length == 7 && (f.payload[0] == 0 || f.payload[0] == 0xfe) { // status, warnings
					mysqld[i].payload = f.payload[:3] + string([]byte{f.payload[3] &^ noIndexUsed, f.payload[4], 0, 0})
				}
			}
			return mysqld
		},
	}
	leavingNoticed = &deviation{
		here: "COM_QUIT and the end of the client's side end a dump at once", mysqld: "it goes on until a write fails",
		expect: func(t *testing.T, mysqld, _ []frame) []frame {
			if n := len(mysqld) - 1; n < 0 || mysqld[n] != goesOn {
				t.Errorf("mysqld: %s", show(mysqld, n))
			}
			return []frame{closed}
		},
	}
)

var deviations = []*deviation{heartbeatsV1, keptWaiting, forgetful, positionIgnored, whateverTheMode, noEOF, plainDirectory, noWarnings, leavingNoticed}

// wantError wants error packets with these texts among the frames, in this order.
func wantError(t *testing.T, frames []frame, texts ...string) {
	t.Helper()
	for _, f := range frames {
		if len(texts) > 0 && f.length > 0 && f.payload[0] == 0xff && strings.Contains(f.payload, texts[0]) {
			texts = texts[1:]
		}
	}
	if len(texts) > 0 {
		t.Errorf("mysqld does not say %q: %+v", texts, frames)
	}
}

// withHeartbeatsV1 replaces heartbeats of version 2. Version 2 is sent only where the
// position needs 64 bits: other families of clients set the flag that asks for it
// and mean something else.
func withHeartbeatsV1(frames []frame) []frame {
	frames = slices.Clone(frames)
	for i := range frames {
		f := &frames[i]
		h, event, err := eventOf(*f)
		if err != nil || h.Type != replication.HeartbeatV2Event {
			continue
		}
		if hb, err := replication.ParseHeartbeat(event, replication.ChecksumCRC32); err == nil {
			f.payload = "\x00" + string(replication.AppendHeartbeat(nil, h.ServerID, hb, replication.ChecksumCRC32))
			f.length = len(f.payload)
		}
	}
	return frames
}
