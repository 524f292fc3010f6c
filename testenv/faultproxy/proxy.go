package faultproxy

import (
	"net"
	"sync"
)

// Proxy listens on a port of its own and passes every connection on to a target.
// Its methods may be called at any time, by any goroutine.
type Proxy struct {
	listener net.Listener
	done     chan struct{}  // closed by Close
	work     sync.WaitGroup // the accept loop and every connection

	mu      sync.Mutex // guards what follows
	target  string
	faults  [2]Faults
	changed chan struct{} // closed, and replaced, whenever faults change
	links   map[*link]bool
	opened  int
	cuts    int
	closed  bool
}

// Start listens on a free port of the loopback address. Connections that come
// are passed on to target ("host:port").
func Start(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		listener: listener,
		done:     make(chan struct{}),
		target:   target,
		changed:  make(chan struct{}),
		links:    make(map[*link]bool),
	}
	p.work.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends everything and returns when nothing of the proxy runs any more. It
// may be called again.
func (p *Proxy) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.done)
		p.listener.Close()
		for l := range p.links {
			l.close(false)
		}
	}
	p.mu.Unlock()
	p.work.Wait()
}

// Set replaces the faults of a direction, for the connections that are open and
// for those that come.
func (p *Proxy) Set(d Direction, f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setLocked(d, f)
}

func (p *Proxy) setLocked(d Direction, f Faults) {
	p.faults[d] = f
	close(p.changed)
	p.changed = make(chan struct{})
}

// Heal lets everything pass in both directions.
func (p *Proxy) Heal() {
	p.Set(ToServer, Faults{})
	p.Set(ToClient, Faults{})
}

// SetTarget passes the connections that come on to another target.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut ends all open connections at once, by RST if reset.
func (p *Proxy) Cut(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		p.cuts++
		l.close(reset)
	}
}

// Opened is how many connections came since Start.
func (p *Proxy) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// Cuts is how many connections the proxy has ended since Start.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.work.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

// serve passes one connection on until it ends.
func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	conn, err := net.Dial("tcp", target)
	if err != nil {
		client.Close()
		return
	}
	l := &link{proxy: p, client: client, server: conn.(*net.TCPConn), ended: make(chan struct{})}
	p.mu.Lock()
	if p.closed {
		l.close(false)
	}
	p.links[l] = true
	p.opened++
	p.mu.Unlock()
	l.run()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// current returns the faults of a direction, and what is closed when they change.
func (p *Proxy) current(d Direction) (Faults, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults[d], p.changed
}

// mayCut counts a cut that f asks for. It returns false where Once was used up
// by another connection meanwhile.
func (p *Proxy) mayCut(d Direction, f Faults) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.faults[d] != f {
		return false
	}
	if f.Once {
		p.setLocked(d, Faults{})
	}
	p.cuts++
	return true
}
