package replica

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

// script begins one.
func script() *fakesource.Script { return new(fakesource.Script) }

// Whatever a source does wrong once, nothing of it reaches the sink, and the
// next connection makes everything good.
func TestRecoversFromASourceThatMisbehavesOnce(t *testing.T) {
	first := fakesource.Recorded()[0]
	offsets := first.Offsets()
	at := func(n int) int64 { return offsets[n-1] } // behind n packets: ROTATE, then events
	event := func(t replication.EventType, flags uint16, body string) []byte {
		return replication.Header{Type: t, Size: uint32(replication.HeaderSize + len(body)), Flags: flags}.Append(nil)
	}
	for name, c := range map[string]struct {
		script *fakesource.Script
		reason string
	}{
		"rubbish at once":                   {script().Bytes(bytes.Repeat([]byte{0x5a}, 4096)), ReasonStream},
		"rubbish in the middle":             {script().Events(6).Bytes(bytes.Repeat([]byte{0xff, 0x00, 0x37}, 999)), ReasonStream},
		"zeros":                             {script().Events(6).Bytes(make([]byte, 4096)), ReasonStream},
		"a wrong checksum":                  {script().Events(5).Corrupt(), ReasonStream},
		"a wrong checksum of the first":     {script().Corrupt(), ReasonStream},
		"a wrong checksum of a description": {script().Events(1).Corrupt(), ReasonStream},
		"a wrong body":                      {script().Events(7).Change(func(e []byte) []byte { e[25] ^= 0x80; return e }), ReasonStream},
		"a wrong size":                      {script().Events(7).Change(func(e []byte) []byte { e[9]++; return e }), ReasonStream},
		"a size of nothing":                 {script().Events(7).Change(func(e []byte) []byte { e[9], e[10] = 0, 0; return e }), ReasonStream},
		"a giant size":                      {script().Events(7).Change(func(e []byte) []byte { e[12] = 0xff; return e }), ReasonStream},
		"half a header":                     {script().Events(7).Change(func(e []byte) []byte { return e[:10] }), ReasonStream},
		"an event that is too long":         {script().Events(7).Change(func(e []byte) []byte { return append(e, 1, 2, 3) }), ReasonStream},
		"a giant that was not announced":    {script().Events(7).Change(func(e []byte) []byte { return append(e, make([]byte, 20<<20)...) }), ReasonStream},
		"a wrong sequence number":           {script().Events(7).WrongSequence(), ReasonStream},
		"half a packet":                     {script().Events(7).Truncated(20), ReasonNetwork},
		"half a packet header":              {script().Events(7).Truncated(3), ReasonNetwork},
		"a closed connection":               {script().Events(7).Close(), ReasonNetwork},
		"a reset connection":                {script().Events(7).Reset(), ReasonNetwork},
		"an EOF packet":                     {script().Events(7).EOF(), ReasonEOF},
		"an EOF packet at once":             {script().EOF(), ReasonEOF},
		"an empty packet":                   {script().Events(7).Packet(nil), ReasonStream},
		"an OK that is no event":            {script().Events(7).Packet([]byte{0}), ReasonStream},
		"a packet of another kind":          {script().Events(7).Packet([]byte{0x42, 1, 2, 3}), ReasonStream},
		"half an ERR packet":                {script().Events(7).Packet([]byte{0xff, 1}), ReasonStream},
		"an error":                          {script().Events(7).Error(1236, "could not find next log"), ReasonSourceError},
		"an error of another number":        {script().Error(1041, "Out of memory"), ReasonSourceError},
		"a duplicate of us":                 {script().Events(7).Error(1236, fakesource.TextDuplicateUUID), ReasonSourceError},
		"a name that leads outside":         {script().Rotate("../../etc/passwd", 4), ReasonStream},
		"a later name that leads outside":   {script().Events(7).Rotate("../../etc/passwd.000002", 4), ReasonStream},
		"another file than asked for":       {script().Rotate("binlog.000002", 4), ReasonStream},
		"another place than asked for":      {script().Rotate("binlog.000001", 126), ReasonStream},
		"an older file":                     {script().Events(7).Rotate("binlog.000000", 4), ReasonStream},
		"the same file again":               {script().Events(7).Rotate("binlog.000001", 4), ReasonStream},
		"a file of another name":            {script().Events(7).Rotate("relaylog.000002", 4), ReasonStream},
		"a next file that begins late":      {script().Events(7).Rotate("binlog.000002", 127), ReasonStream},
		"another file than the last named":  {script().Events(len(offsets)).Rotate("binlog.000003", 4), ReasonStream},
		"no description":                    {script().Events(1).Skip(), ReasonStream},
		"no file":                           {script().Skip(), ReasonStream},
		"two descriptions":                  {script().Events(1).Event(first.AsSent()[4:offsets[1]]), ReasonStream},
		"an event behind the last":          {script().Events(len(offsets)).Event(first.Bytes[offsets[1]:offsets[2]]), ReasonStream},
		"two artificial ROTATEs":            {script().Events(1).Rotate("binlog.000001", 4), ReasonStream},
		"a heartbeat at once":               {script().Heartbeat("binlog.000001", 4), ReasonStream},
		"a heartbeat from behind":           {script().Events(7).Heartbeat("binlog.000001", at(6)), ReasonStream},
		"a heartbeat from ahead":            {script().Events(7).Heartbeat("binlog.000001", at(8)), ReasonStream},
		"a heartbeat of another file":       {script().Events(7).Heartbeat("binlog.000002", at(7)), ReasonStream},
		"a heartbeat 2 from 4 GiB on":       {script().Events(7).HeartbeatV2("binlog.000001", at(7)+1<<32), ReasonStream},
		"an artificial event":               {script().Events(7).Event(event(3, replication.FlagArtificial, "")), ReasonStream},
		"an event that was left out":        {script().Events(7).Skip().Heartbeat("binlog.000001", at(8)), ReasonStream},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := startSource(t, fakesource.Options{})
			source.Next(c.script)
			sink := newMemorySink()
			r := run(t, testOptions(source.Addr(), sink))
			r.untilHeld(sink, fakesource.Recorded()...)
			status := r.Status()
			if status.Disconnects[c.reason] == 0 || status.Connects < 2 {
				t.Errorf("disconnects %v, %d connects, last error %s", status.Disconnects, status.Connects, status.LastError)
			}
		})
	}
}

func TestTakesHonestHeartbeatsInBothForms(t *testing.T) {
	offsets := fakesource.Recorded()[0].Offsets()
	source := startSource(t, fakesource.Options{})
	source.Next(script().Events(7).Heartbeat("binlog.000001", offsets[6]).HeartbeatV2("binlog.000001", offsets[6]))
	sink := newMemorySink()
	r := run(t, testOptions(source.Addr(), sink))
	r.untilHeld(sink, fakesource.Recorded()...)
	if status := r.Status(); status.Connects != 1 || status.Heartbeats != 2 {
		t.Errorf("status %+v", status)
	}
}

func isStop(err error, reason StopReason) bool {
	var stop *StopError
	return errors.As(err, &stop) && stop.Reason == reason
}

// What no further try can mend ends the Replica, with a reason and words that
// say what to do.
func TestStopsForGood(t *testing.T) {
	files := fakesource.Recorded()
	denied := wire.Errorf(1227, "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) for this operation")
	for name, c := range map[string]struct {
		source fakesource.Options
		change func(*Options)
		reason StopReason
		text   string
	}{
		"wrong password":        {change: func(o *Options) { o.Source.Password = "wrong password" }, reason: StopAccess, text: "1045"},
		"unknown user":          {change: func(o *Options) { o.Source.User = "nobody" }, reason: StopAccess, text: "nobody"},
		"no binlog":             {source: fakesource.Options{NoBinlog: true}, reason: StopConfiguration, text: "--log-bin"},
		"MariaDB":               {source: fakesource.Options{Version: "11.8.6-MariaDB-log"}, reason: StopConfiguration, text: "MariaDB"},
		"the source's id":       {source: fakesource.Options{ServerID: testServerID}, reason: StopConfiguration, text: "4711"},
		"the source's uuid":     {source: fakesource.Options{ServerUUID: testUUID}, reason: StopConfiguration, text: testUUID},
		"an id in use":          {source: fakesource.Options{Replicas: []fakesource.Replica{{ServerID: testServerID, Host: "other.example", Port: 3306, UUID: "bbbbbbbb-1111-2222-3333-444444444444"}}}, reason: StopConfiguration, text: "other.example"},
		"no REPLICATION SLAVE":  {source: fakesource.Options{Answers: map[string]*wire.Error{"SHOW REPLICAS": denied}}, reason: StopAccess, text: "GRANT REPLICATION SLAVE"},
		"no REPLICATION CLIENT": {source: fakesource.Options{Answers: map[string]*wire.Error{"SHOW BINARY LOGS": denied}}, reason: StopAccess, text: "GRANT REPLICATION CLIENT"},
		"no right to register":  {source: fakesource.Options{Answers: map[string]*wire.Error{"COM_REGISTER_SLAVE": wire.Errorf(1045, "Access denied")}}, reason: StopAccess, text: "GRANT REPLICATION SLAVE"},
		"no right to dump":      {source: fakesource.Options{Answers: map[string]*wire.Error{"COM_BINLOG_DUMP": denied}}, reason: StopAccess, text: "GRANT REPLICATION SLAVE"},
		"no such file":          {change: func(o *Options) { o.From = "binlog.000099" }, reason: StopConfiguration, text: "binlog.000006"},
		"a file of a bad name":  {source: fakesource.Options{Files: []fakesource.File{{Name: "../../etc/passwd.000001", Bytes: files[0].Bytes}}}, reason: StopConfiguration, text: "not a binlog file name"},
		"refused identity": {change: func(o *Options) {
			o.OnSource = func(context.Context, SourceInfo) error { return &StopError{StopHistory, errors.New("another server")} }
		}, reason: StopHistory, text: "another server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.source.Files == nil {
				c.source.Files = files
			}
			source := startSource(t, c.source)
			options := testOptions(source.Addr(), newMemorySink())
			options.OnReady = func() { t.Error("OnReady was called") }
			if c.change != nil {
				c.change(&options)
			}
			r := run(t, options)
			err := r.stopped()
			if !isStop(err, c.reason) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("it ended with %#v: %v", err, err)
			}
			if strings.Contains(err.Error(), fakesource.DefaultPassword) || strings.Contains(err.Error(), "wrong password") {
				t.Errorf("the password stands in: %v", err)
			}
			if status := r.Status(); status.State != StateStopped || status.LastError != err.Error() {
				t.Errorf("status %+v", status)
			}
		})
	}
}

// What an earlier connection of ours left at the source is no conflict.
func TestIsNotInItsOwnWay(t *testing.T) {
	source := startSource(t, fakesource.Options{Replicas: []fakesource.Replica{{ServerID: testServerID, Host: "us", UUID: strings.ToUpper(testUUID)}}})
	sink := newMemorySink()
	run(t, testOptions(source.Addr(), sink)).untilHeld(sink, fakesource.Recorded()...)
}

// A lost privilege, or a changed password, ends nothing once the stream ran.
func TestTriesAgainWhenItIsDeniedLater(t *testing.T) {
	files := fakesource.Recorded()
	source := startSource(t, fakesource.Options{Files: files[:1]})
	sink := newMemorySink()
	r := run(t, testOptions(source.Addr(), sink))
	r.untilHeld(sink, files[:1]...)
	source.SetAnswers(map[string]*wire.Error{"SHOW BINARY LOGS": wire.Errorf(1227, "Access denied")})
	source.Drop()
	eventually(t, "denials", func() bool { return r.Status().Disconnects[ReasonDenied] >= 2 })
	source.SetFiles(files...)
	source.SetAnswers(nil)
	r.untilHeld(sink, files...)
}

func TestWaitsForASourceThatIsNotThere(t *testing.T) {
	source := startSource(t, fakesource.Options{})
	source.Close()
	r := run(t, testOptions(source.Addr(), newMemorySink()))
	eventually(t, "attempts", func() bool { return r.Status().Disconnects[ReasonUnreachable] >= 3 })
	status := r.Status()
	if status.Connects != 0 || status.LastError == "" || status.Ready {
		t.Errorf("status %+v", status)
	}
	r.stop()
}

// filled returns a sink that holds the files, and what stands in them.
func filled(files ...fakesource.File) *memorySink {
	sink := newMemorySink()
	for _, f := range files {
		sink.names = append(sink.names, f.Name)
		sink.files[f.Name] = f.AsSent()
	}
	return sink
}

func cut(f fakesource.File, events int) fakesource.File {
	return fakesource.File{Name: f.Name, Bytes: f.Bytes[:f.Offsets()[events]]}
}

func TestRecordsAGap(t *testing.T) {
	files := fakesource.Recorded()
	for name, c := range map[string]struct {
		held, at []fakesource.File
		next     string
		previous string
	}{
		"purged":             {[]fakesource.File{files[0], cut(files[1], 4)}, files[2:], "binlog.000003", fakesource.RecordedUUID + ":1-10"},
		"a file in between":  {[]fakesource.File{cut(files[1], 4)}, []fakesource.File{files[0], files[3], files[4], files[5]}, "binlog.000004", fakesource.RecordedUUID + ":1-10"},
		"one line of format": {[]fakesource.File{cut(files[0], 4)}, []fakesource.File{cut(files[1], 1), files[2], files[3], files[4], files[5]}, "binlog.000002", ""},
	} {
		t.Run(name, func(t *testing.T) {
			source := startSource(t, fakesource.Options{Files: c.at})
			sink := filled(c.held...)
			r := run(t, testOptions(source.Addr(), sink))
			last := files[len(files)-1]
			r.until(sink, "the last file", func() bool { return len(sink.file(last.Name)) == len(last.Bytes) })
			r.stop()
			if len(sink.gaps) != 1 || sink.gaps[0].next != c.next || sink.gaps[0].previous.String() != c.previous || sink.gaps[0].reason == "" {
				t.Errorf("gaps: %+v", sink.gaps)
			}
			if r.Status().Gaps != 1 {
				t.Errorf("status %+v", r.Status())
			}
			for _, f := range c.at {
				if order, _ := compareNames(f.Name, c.next); order >= 0 && !bytes.Equal(sink.file(f.Name), f.AsSent()) {
					t.Errorf("%s differs", f.Name)
				}
			}
		})
	}
}

// The set of transactions before the gap may be larger than the buffer.
func TestRecordsAGapWithManyGTIDs(t *testing.T) {
	var set replication.GTIDSet
	for i := range 80_000 {
		if err := set.AddInterval(replication.UUID{1}, "", int64(3*i+1), int64(3*i+1)); err != nil {
			t.Fatal(err)
		}
	}
	files := fakesource.Recorded()
	file := fakesource.WithPreviousGTIDs("binlog.000009", &set)
	source := startSource(t, fakesource.Options{Files: []fakesource.File{file}})
	sink := filled(files[0])
	r := run(t, testOptions(source.Addr(), sink))
	r.untilHeld(sink, files[0], file)
	r.stop()
	if len(sink.gaps) != 1 || !sink.gaps[0].previous.Equal(&set) {
		t.Errorf("%d gaps, or another set", len(sink.gaps))
	}
}

func TestStopsAtAGapWhenTold(t *testing.T) {
	files := fakesource.Recorded()
	source := startSource(t, fakesource.Options{Files: files[2:]})
	sink := filled(files[0])
	options := testOptions(source.Addr(), sink)
	options.OnGap = OnGapStop
	if err := run(t, options).stopped(); !isStop(err, StopGap) || !strings.Contains(err.Error(), "binlog.000003") {
		t.Errorf("it ended with %v", err)
	}
	if len(sink.gaps) != 0 {
		t.Errorf("gaps: %+v", sink.gaps)
	}
}

// A file that was received to its end is no loss when the source purges it.
func TestAPurgedFileThatIsCompleteIsNoGap(t *testing.T) {
	files := fakesource.Recorded()
	source := startSource(t, fakesource.Options{Files: files[:1]})
	sink := newMemorySink()
	r := run(t, testOptions(source.Addr(), sink))
	r.untilHeld(sink, files[:1]...)
	source.SetFiles(files[1:]...)
	source.Drop()
	r.untilHeld(sink, files...)
	if r.stop(); len(sink.gaps) != 0 {
		t.Errorf("gaps: %+v", sink.gaps)
	}
}

// Rule 5: the same name with other bytes, or a source that is shorter, is
// another history, and nothing that is held changes.
func TestStopsAtAnotherHistory(t *testing.T) {
	files := fakesource.Recorded()
	other := func(name string, sizes ...int) fakesource.File { return fakesource.Synthetic(name, sizes...) }
	long := other("binlog.000001", 700, 700, 700, 700, 700, 700)
	for name, c := range map[string]struct {
		held, at []fakesource.File
		margin   int64
	}{
		"shorter":                     {files[:1], []fakesource.File{cut(files[0], 6)}, 1 << 20},
		"older files only":            {files[2:3], files[:2], 1 << 20},
		"another name":                {files[:1], []fakesource.File{other("mysql-bin.000001", 99)}, 1 << 20},
		"other bytes":                 {files[:1], []fakesource.File{long}, 1 << 20},
		"no event where we resume":    {files[:1], []fakesource.File{long}, 100},
		"rubbish where we resume":     {files[:1], []fakesource.File{rubbish("binlog.000001")}, 100},
		"an event where we resume":    {[]fakesource.File{other("binlog.000001", 500, 500, 500)}, []fakesource.File{other("binlog.000001", 500, 500, 501)}, 500},
		"another event of equal size": {[]fakesource.File{other("binlog.000001", 500, 500, 500)}, []fakesource.File{changed(other("binlog.000001", 500, 500, 500, 500))}, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			source := startSource(t, fakesource.Options{Files: c.at})
			sink := filled(c.held...)
			sink.margin = c.margin
			options := testOptions(source.Addr(), sink)
			options.OnReady = func() { t.Error("OnReady was called") }
			err := run(t, options).stopped()
			if !isStop(err, StopHistory) && !errors.As(err, new(*differentHistory)) {
				t.Errorf("it ended with %v", err)
			}
			checkHeld(t, sink, c.held...)
		})
	}
}

// rubbish is a file that has no events behind its first two.
func rubbish(name string) fakesource.File {
	f := fakesource.Synthetic(name)
	f.Bytes = append(f.Bytes, bytes.Repeat([]byte{0x11, 0x22, 0x33}, 5000)...)
	return f
}

// changed turns one bit in the third synthetic event, and makes its checksum good.
func changed(f fakesource.File) fakesource.File {
	offsets := f.Offsets()
	b := fakesource.AppendEvent(append([]byte(nil), f.Bytes[:offsets[4]]...), 500, 77)
	return fakesource.File{Name: f.Name, Bytes: append(b, f.Bytes[offsets[5]:]...)}
}

// A source that cannot read its file once is no other history.
func TestForgivesAReadErrorAtTheSource(t *testing.T) {
	files := fakesource.Recorded()
	source := startSource(t, fakesource.Options{})
	source.Next(script().Error(1236, fakesource.TextBogusEvent), script().Events(2).Corrupt())
	sink := filled(cut(files[0], 9))
	sink.margin = 100
	run(t, testOptions(source.Addr(), sink)).untilHeld(sink, files...)
}

// A source with gtid_mode ON refuses to send anonymous transactions. What it has
// of them behind what we hold is a gap; the next file goes on.
func TestGoesOnBehindAnonymousTransactions(t *testing.T) {
	files := fakesource.Recorded()
	source := startSource(t, fakesource.Options{})
	source.Next(script().Events(5).Error(1236, fakesource.TextAnonymous))
	sink := newMemorySink()
	r := run(t, testOptions(source.Addr(), sink))
	last := files[len(files)-1]
	r.until(sink, "the last file", func() bool { return len(sink.file(last.Name)) == len(last.Bytes) })
	if r.stop(); len(sink.gaps) != 1 || sink.gaps[0].next != "binlog.000002" {
		t.Errorf("gaps: %+v", sink.gaps)
	}
	checkHeld(t, sink, append([]fakesource.File{cut(files[0], 4)}, files[1:]...)...)
}

// brokenDisk is an error of the sink that goes away.
type brokenDisk struct{ permanent bool }

func (e *brokenDisk) Error() string   { return "broken disk" }
func (e *brokenDisk) Permanent() bool { return e.permanent }

func TestASinkSaysWhetherItsErrorIsPermanent(t *testing.T) {
	source := startSource(t, fakesource.Options{})
	sink := newMemorySink()
	sink.fail = &brokenDisk{}
	r := run(t, testOptions(source.Addr(), sink))
	eventually(t, "errors of the sink", func() bool { return r.Status().Disconnects[ReasonSink] >= 3 })
	sink.mu.Lock()
	sink.fail = nil
	sink.mu.Unlock()
	r.untilHeld(sink, fakesource.Recorded()...)

	failing := newMemorySink()
	failing.fail = &brokenDisk{permanent: true}
	err := run(t, testOptions(source.Addr(), failing)).stopped()
	var broken *brokenDisk
	if !errors.As(err, &broken) {
		t.Errorf("it ended with %v", err)
	}
}

// The sink keeps what it was given later: when that fails, a source that has nothing
// more to send must not keep it from being sent again.
func TestASinkThatFailsEndsTheConnectionOfASilentSource(t *testing.T) {
	source := startSource(t, fakesource.Options{})
	sink := newMemorySink()
	r := run(t, testOptions(source.Addr(), sink))
	r.untilHeld(sink, fakesource.Recorded()...)
	sink.late <- &brokenDisk{}
	eventually(t, "the next connection", func() bool {
		st := r.Status()
		return st.Disconnects[ReasonSink] == 1 && st.Connects == 2
	})
	sink.late <- &brokenDisk{permanent: true}
	if err, broken := r.stopped(), (*brokenDisk)(nil); !errors.As(err, &broken) {
		t.Errorf("it ended with %v", err)
	}
}

func TestDoesNotFightADuplicate(t *testing.T) {
	source := startSource(t, fakesource.Options{})
	source.Next(script().Events(7).Error(1236, fakesource.TextDuplicateUUID))
	options := testOptions(source.Addr(), newMemorySink())
	options.BackoffMax = time.Hour
	options.Rand = func() float64 { return 0 }
	r := run(t, options)
	eventually(t, "the wait", func() bool { return r.Status().State == StateWaiting })
	status := r.Status()
	if wait := time.Until(status.NextAttempt); wait < 20*time.Minute || !strings.Contains(status.LastError, "same server_uuid") {
		t.Errorf("it waits %s after %s", wait, status.LastError)
	}
}
