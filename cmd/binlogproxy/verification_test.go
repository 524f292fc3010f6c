package main

import (
	"os"
	"testing"
	"time"
)

func TestTheDaemonFindsWhatAVerificationLeft(t *testing.T) {
	dir := t.TempDir()
	if v, err := lastVerification(dir); v != nil || err != nil {
		t.Errorf("before the first: %+v, %v", v, err)
	}
	first := Verification{Ended: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Files: 3, Damages: 1, First: "binlog.000002 at 4"}
	for _, want := range []Verification{first, {Ended: first.Ended.Add(time.Hour), Files: 4}} {
		if err := keepVerification(dir, want); err != nil {
			t.Fatal(err)
		}
		if got, err := lastVerification(dir); err != nil || got == nil || *got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestAVerificationThatCannotBeReadIsNone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(verifiedFile(dir), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := diskWatch{dir: dir}
	if err := w.look(); err == nil {
		t.Error("no error")
	}
	var st SourceStatus
	w.fill(&st)
	if st.Verified != nil || st.DiskFree == nil {
		t.Errorf("%+v, %v", st.Verified, st.DiskFree)
	}
}
