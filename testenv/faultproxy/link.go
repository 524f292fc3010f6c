package faultproxy

import (
	"net"
	"sync"
	"time"
)

// link is one connection through the proxy.
type link struct {
	proxy          *Proxy
	client, server *net.TCPConn

	once  sync.Once
	ended chan struct{} // closed by close
}

// pumpBuffer is how much passes at once.
const pumpBuffer = 32 << 10

// run passes bytes in both directions until both have ended.
func (l *link) run() {
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(ToServer, l.server, l.client) })
	pumps.Go(func() { l.pump(ToClient, l.client, l.server) })
	pumps.Wait()
	l.close(false)
}

// close ends the connection on both sides. Without reset they see FIN, even if
// bytes of theirs were not read: Linux would answer those with RST, so they are
// read first, as far as they have come.
func (l *link) close(reset bool) {
	l.once.Do(func() {
		close(l.ended)
		for _, c := range []*net.TCPConn{l.client, l.server} {
			if reset {
				_ = c.SetLinger(0)
			} else {
				_ = c.CloseWrite()
				drain(c)
			}
			c.Close()
		}
	})
}

// drain reads what has arrived on c and waits hardly any longer.
func drain(c *net.TCPConn) {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	b := make([]byte, pumpBuffer)
	for range 64 {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

// pump passes one direction on until it ends or the connection does.
func (l *link) pump(d Direction, to, from *net.TCPConn) {
	pump := pump{link: l, direction: d, to: to}
	buf := make([]byte, pumpBuffer)
	for {
		n, err := from.Read(buf)
		if n > 0 && !pump.pass(buf[:n]) {
			return
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

// pump is the state of one direction.
type pump struct {
	link      *link
	direction Direction
	to        *net.TCPConn
	passed    int64
	packets   packetCounter
}

// pass passes p on as the faults allow. It returns false when the connection
// has ended.
func (p *pump) pass(b []byte) bool {
	f, ok := p.wait()
	if !ok {
		return false
	}
	if f.StripTLS && p.packets.begun == 0 {
		stripTLS(b)
	}
	n := p.packets.before(b, f.CutAtPacket)
	cut := n < len(b)
	if left := f.CutAfter - p.passed; f.CutAfter > 0 && left <= int64(n) {
		n, cut = int(max(0, left)), true
	}
	if !p.write(b[:n], f) {
		return false
	}
	if !cut {
		return true
	}
	if p.link.proxy.mayCut(p.direction, f) {
		p.link.close(f.Reset)
		return false
	}
	return p.pass(b[n:])
}

// wait returns the faults once nothing may be held any longer.
func (p *pump) wait() (Faults, bool) {
	var delayed bool
	for {
		f, changed := p.link.proxy.current(p.direction)
		switch {
		case f.Stall:
			select {
			case <-changed:
			case <-p.link.ended:
				return f, false
			}
		case f.Delay > 0 && !delayed:
			if !p.sleep(f.Delay) {
				return f, false
			}
			delayed = true
		default:
			return f, true
		}
	}
}

// write passes bytes on, no faster than the faults allow.
func (p *pump) write(b []byte, f Faults) bool {
	for len(b) > 0 {
		n := len(b)
		if f.BytesPerSecond > 0 {
			n = min(n, max(1, f.BytesPerSecond/100))
			if !p.sleep(time.Duration(n) * time.Second / time.Duration(f.BytesPerSecond)) {
				return false
			}
		}
		if _, err := p.to.Write(b[:n]); err != nil {
			p.link.close(false)
			return false
		}
		p.passed += int64(n)
		b = b[n:]
	}
	return true
}

func (p *pump) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.link.ended:
		return false
	}
}
