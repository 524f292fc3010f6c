package archive

import (
	"errors"
	"testing"
)

// Damage that is found in a log that something else has stopped ends readers at the
// tail all the same.
func TestDamageBehindAnotherStopIsShown(t *testing.T) {
	l, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other := &HistoryError{Reason: "another history"}
	l.stopWith(other)
	_ = l.damaged(&DamageError{File: "x", Offset: 7})
	if v := l.view.Load(); !errors.As(v.damage, new(*DamageError)) || v.Stopped != other {
		t.Errorf("damage %v, stopped %v", v.damage, v.Stopped)
	}
}
