package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Below the ports that Linux hands to outgoing connections (32768 and up). A server keeps its port
// while it is down, and a port of that range could meanwhile become somebody's local end.
const (
	firstPort = 20000
	lastPort  = 31999
)

// ReservePort finds a port of the loopback address on which nothing listens and that no other process
// using this package has reserved. Until release is called, or the process ends, it stays reserved,
// whether something listens there or not.
func ReservePort() (port int, release func(), err error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		release, err := tryLockFile("port-" + strconv.Itoa(port))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			release()
			continue
		}
		listener.Close()
		return port, release, nil
	}
	return 0, nil, fmt.Errorf("no free port from %d to %d", firstPort, lastPort)
}
