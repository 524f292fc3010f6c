package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/fakesource"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
)

// The address of a source that is followed may come to lead to another server: by a
// fail-over that nobody told us of, or by an attack.
func TestAnImpostorOfTheSourceIsRefused(t *testing.T) {
	files := fakesource.Recorded()
	forged := append([]fakesource.File(nil), files...)
	last := &forged[len(forged)-1]
	last.Bytes = fakesource.AppendEvent(append([]byte(nil), last.Bytes[:last.Offsets()[1]]...), 200, 'x') // other events, right in themselves
	last.Bytes = fakesource.AppendEvent(last.Bytes, len(files[len(files)-1].Bytes), 'y')
	for name, c := range map[string]struct {
		impostor fakesource.Options
		word     string
	}{
		"by another server_uuid": {fakesource.Options{ServerUUID: "aaaaaaaa-1111-2222-3333-444444444444", Files: files}, "history of"},
		"by other bytes":         {fakesource.Options{Files: forged}, "another history"},
	} {
		t.Run(name, func(t *testing.T) {
			start := func(o fakesource.Options) *fakesource.Source {
				o.User, o.Password = testenv.ReplicationUser, testenv.ReplicationPassword
				s, err := fakesource.Start(o)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.Close)
				return s
			}
			proxy, err := faultproxy.Start(start(fakesource.Options{Files: files}).Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Close)
			d := startDaemon(t, proxy.Addr())
			end := fmt.Sprintf("%s:%d", files[len(files)-1].Name, files[len(files)-1].Size())
			eventually(t, "the daemon having "+end, func() (bool, string) {
				st, err := status(t, d)
				return err == nil && st.Sources[0].Durable == end, fmt.Sprintf("%+v, %v", st, err)
			})
			held := contents(t, d)
			proxy.SetTarget(start(c.impostor).Addr())
			proxy.Cut(false)
			eventually(t, "the source being stopped", func() (bool, string) {
				st, err := status(t, d)
				return err == nil && st.Sources[0].State == "stopped" && st.Sources[0].ExitCode == exitHistory &&
					strings.Contains(st.Sources[0].LastError, c.word), fmt.Sprintf("%+v %v", st, err)
			})
			if !bytes.Equal(held, contents(t, d)) {
				t.Error("what is held was changed")
			}
		})
	}
}
