package replica

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
)

func TestFollowsFromTheOldestFile(t *testing.T) {
	source := startSource(t, fakesource.Options{})
	sink := newMemorySink()
	ready := 0
	options := testOptions(source.Addr(), sink)
	options.OnReady = func() { ready++ }
	options.ReportHost, options.ReportPort = "proxy.example", 3311
	var seen SourceInfo
	options.OnSource = func(_ context.Context, info SourceInfo) error { seen = info; return nil }
	r := run(t, options)
	r.untilHeld(sink, fakesource.Recorded()...)
	r.stop()

	if ready != 1 {
		t.Errorf("OnReady was called %d times", ready)
	}
	if seen.ServerUUID != fakesource.RecordedUUID || seen.ServerID != fakesource.RecordedServerID || seen.Version != "9.7.4" || seen.GTIDMode != "ON" {
		t.Errorf("OnSource was told %+v", seen)
	}
	request := source.Requests()[0]
	if request.File != "binlog.000001" || request.Position != 4 || request.ServerID != testServerID || request.Flags != 0 || request.GTID {
		t.Errorf("the dump was asked for with %+v", request)
	}
	want := wire.RegisterReplica{ServerID: testServerID, Host: "proxy.example", Port: 3311}
	if request.Registered == nil || *request.Registered != want {
		t.Errorf("registered as %+v", request.Registered)
	}
	sent := strings.Join(request.Statements, "\n")
	for _, statement := range []string{
		"SET @master_heartbeat_period = 10000000000, @source_heartbeat_period = 10000000000",
		"SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'",
		"SET @slave_uuid = '" + testUUID + "', @replica_uuid = '" + testUUID + "'",
	} {
		if !strings.Contains(sent, statement) {
			t.Errorf("not sent: %s", statement)
		}
	}
	status := r.Status()
	if status.State != StateStopped || !status.Ready || status.Connects != 1 || status.LagBytes != 0 || status.Events == 0 || len(status.SourceFiles) != 6 {
		t.Errorf("status %+v", status)
	}
}

func TestStartsWhereItIsTold(t *testing.T) {
	files := fakesource.Recorded()
	for from, want := range map[string][]fakesource.File{FromNewest: files[5:], "binlog.000003": files[2:], FromOldest: files} {
		t.Run(from, func(t *testing.T) {
			source := startSource(t, fakesource.Options{})
			sink := newMemorySink()
			options := testOptions(source.Addr(), sink)
			options.From = from
			run(t, options).untilHeld(sink, want...)
		})
	}
}

func TestFollowsAFileThatGrowsAndTheNextOne(t *testing.T) {
	files := fakesource.Recorded()
	whole := files[0]
	offsets := whole.Offsets()
	grown := func(events int) fakesource.File {
		return fakesource.File{Name: whole.Name, Bytes: whole.Bytes[:offsets[events]]}
	}
	source := startSource(t, fakesource.Options{Files: []fakesource.File{grown(2)}})
	sink := newMemorySink()
	r := run(t, testOptions(source.Addr(), sink))
	for n := 2; n < len(offsets); n++ {
		source.SetFiles(grown(n))
		r.untilHeld(sink, grown(n))
	}
	source.SetFiles(files[:2]...)
	r.untilHeld(sink, files[:2]...)
	if n := r.Status().Connects; n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestResumesAtEveryEventOfAFile(t *testing.T) {
	files := fakesource.Recorded()
	offsets := files[0].Offsets()
	for margin := int64(0); margin < 2*files[0].Offsets()[3]; margin += 150 {
		source := startSource(t, fakesource.Options{})
		for n := range len(offsets) + 1 {
			source.Next(new(fakesource.Script).Events(2 + n).Close())
		}
		sink := newMemorySink()
		sink.margin = margin
		r := run(t, testOptions(source.Addr(), sink))
		r.untilHeld(sink, files...)
		r.stop()
		source.Close()
	}
}

// A stream that is cut after any number of bytes leaves whole events, and goes on.
func TestResumesAfterACutAnywhere(t *testing.T) {
	files := fakesource.Recorded()
	total := 0
	for _, f := range files {
		total += len(f.Bytes) + 5*len(f.Offsets()) + 60
	}
	for n := 0; n < total; n++ {
		if n > 400 { // behind the first few events of each kind, samples
			n += 12
		}
		source := startSource(t, fakesource.Options{})
		source.Next(new(fakesource.Script).CutAfter(n))
		sink := newMemorySink()
		sink.margin = 300
		r := run(t, testOptions(source.Addr(), sink))
		r.untilHeld(sink, files...)
		r.stop()
		source.Close()
	}
}

func TestReadsOneByteSegments(t *testing.T) {
	source := startSource(t, fakesource.Options{})
	source.Next(new(fakesource.Script).SmallSegments())
	sink := newMemorySink()
	run(t, testOptions(source.Addr(), sink)).untilHeld(sink, fakesource.Recorded()...)
}

// Sizes around the buffer's and the packet's; the sum of an event in parts may
// be cut anywhere.
func TestTakesLargeEventsInParts(t *testing.T) {
	// With its 00 before, an event of MaxPart-1 bytes fills a packet, and an empty
	// one follows.
	sizes := []int{wire.MaxPart - 2, wire.MaxPart - 1, wire.MaxPart, 2*wire.MaxPart - 1}
	for d := -8; d <= 4; d++ {
		sizes = append(sizes, receiveBuffer+d)
	}
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			file := fakesource.Synthetic("binlog.000001", 100, size, 100)
			source := startSource(t, fakesource.Options{Files: []fakesource.File{file}})
			sink := newMemorySink()
			run(t, testOptions(source.Addr(), sink)).untilHeld(sink, file)
		})
	}
}

func TestRefusesALargeEventWithAWrongSum(t *testing.T) {
	file := fakesource.Synthetic("binlog.000001", 100, 3<<20, 100)
	source := startSource(t, fakesource.Options{Files: []fakesource.File{file}})
	source.Next(new(fakesource.Script).Events(5).Change(func(event []byte) []byte {
		event[len(event)/2] ^= 4
		return event
	}))
	sink := newMemorySink()
	r := run(t, testOptions(source.Addr(), sink))
	r.untilHeld(sink, file)
	if status := r.Status(); status.Disconnects[ReasonStream] != 1 {
		t.Errorf("status %+v", status)
	}
}

func TestFlushesBeforeItWaits(t *testing.T) {
	file := fakesource.Synthetic("binlog.000001", 100)
	source := startSource(t, fakesource.Options{Files: []fakesource.File{file}})
	sink := newMemorySink()
	options := testOptions(source.Addr(), sink)
	r := run(t, options)
	r.untilHeld(sink, file)
	for n := range 20 {
		file.Bytes = fakesource.AppendEvent(file.Bytes, 100, byte(n))
		source.SetFiles(file)
		r.untilHeld(sink, file) // untilHeld looks only after a Flush
	}
}

func TestHeartbeatsKeepAConnectionAndTellTheEnd(t *testing.T) {
	source := startSource(t, fakesource.Options{})
	sink := newMemorySink()
	options := testOptions(source.Addr(), sink)
	options.HeartbeatPeriod = time.Second // three of them without a heartbeat are silence
	r := run(t, options)
	r.untilHeld(sink, fakesource.Recorded()...)
	eventually(t, "four heartbeats", func() bool { return r.Status().Heartbeats >= 4 })
	status := r.Status()
	if status.Connects != 1 || status.LagBytes != 0 || status.SourceEnd != status.Position {
		t.Errorf("status %+v", status)
	}
}

func TestSilenceBreaksAConnection(t *testing.T) {
	source := startSource(t, fakesource.Options{})
	source.Next(new(fakesource.Script).Events(6).Silence())
	sink := newMemorySink()
	options := testOptions(source.Addr(), sink)
	options.HeartbeatPeriod = 50 * time.Millisecond
	r := run(t, options)
	r.untilHeld(sink, fakesource.Recorded()...)
	if status := r.Status(); status.Disconnects[ReasonSilence] != 1 {
		t.Errorf("status %+v", status)
	}
}

func TestReportsLagOverSeveralFiles(t *testing.T) {
	files := fakesource.Recorded()
	source := startSource(t, fakesource.Options{})
	source.Next(new(fakesource.Script).Events(4).Silence())
	sink := newMemorySink()
	r := run(t, testOptions(source.Addr(), sink))
	want := -files[0].Offsets()[3]
	for _, f := range files {
		want += int64(len(f.Bytes))
	}
	eventually(t, "lag", func() bool { return r.Status().LagBytes == want })
	if !bytes.Equal(sink.file(files[0].Name), files[0].AsSent()[:files[0].Offsets()[3]]) {
		t.Error("what was received differs")
	}
}

// eventually waits for something that no channel tells of.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(testTimeout)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, testTimeout)
		}
		time.Sleep(time.Millisecond)
	}
}
