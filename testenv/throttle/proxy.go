// Package throttle is a TCP proxy that is a line of some bandwidth and delay: all
// connections share it, and bytes are on their way side by side, as on a real one. For
// broken connections there is package faultproxy.
package throttle

import (
	"context"
	"net"
	"sync"
	"time"
)

// Line is what the proxy lets pass.
type Line struct {
	BytesPerSecond int64         // in each direction, of all connections together; 0 = no limit
	Delay          time.Duration // of each byte from the target: of a round trip
}

// direction is where bytes go.
type direction int

const (
	toTarget direction = iota
	toClient
)

// Proxy listens on a port of its own and passes every connection on to a target. Its
// methods may be called concurrently.
type Proxy struct {
	target   string
	listener net.Listener
	ctx      context.Context // ends with Close
	end      context.CancelFunc
	work     sync.WaitGroup

	mu   sync.Mutex // guards the rest
	line Line
	free [2]time.Time // when all that was let pass in a direction is through
}

// Start listens on a free port of the loopback address. Whoever calls it calls Close.
func Start(target string, line Line) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: listener, line: line}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.work.Go(p.accept)
	return p, nil
}

// Addr is host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set changes the line, also for what has not passed yet.
func (p *Proxy) Set(line Line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = line
}

// Close ends all connections, and returns when nothing runs any more. It may be called again.
func (p *Proxy) Close() {
	p.end()
	p.listener.Close()
	p.work.Wait()
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

// serve passes one connection on until both sides have ended.
func (p *Proxy) serve(client *net.TCPConn) {
	defer client.Close()
	conn, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	ctx, end := context.WithCancel(p.ctx)
	defer context.AfterFunc(ctx, func() {
		client.Close()
		server.Close()
	})()
	var ways sync.WaitGroup
	ways.Go(func() { p.pass(ctx, toTarget, server, client) })
	ways.Go(func() {
		defer end()
		p.pass(ctx, toClient, client, server)
	})
	ways.Wait()
}
