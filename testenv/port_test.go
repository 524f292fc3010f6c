package testenv

import (
	"errors"
	"strconv"
	"testing"
)

func TestReservedPortIsGivenOutOnceUntilReleased(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port, release, err := ReservePort()
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if seen[port] || port < firstPort || port > lastPort {
			t.Fatalf("port %d", port)
		}
		seen[port] = true
	}
	port, release, err := ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	name := "port-" + strconv.Itoa(port)
	if _, err := tryLockFile(name); !errors.Is(err, errLocked) {
		t.Errorf("a reserved port can be reserved: %v", err)
	}
	release()
	again, err := tryLockFile(name)
	if err != nil {
		t.Fatalf("a released port cannot be reserved: %v", err)
	}
	again()
}
