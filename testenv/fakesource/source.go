package fakesource

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// Source is a running fake source. Its methods may be called at any time.
type Source struct {
	options  Options
	listener net.Listener
	key      *wire.RSAKey
	lastID   atomic.Uint32
	work     sync.WaitGroup // the accept loop and every connection

	mu       sync.Mutex // guards what follows
	closed   bool
	conns    map[net.Conn]bool
	files    []File
	changed  chan struct{} // closed, and replaced, at every change of files
	scripts  []*Script     // of the next dumps
	requests []Request
	answers  map[string]*wire.Error
}

// Request is what a replica has asked for in a dump.
type Request struct {
	Statements []string // before it, on that connection
	Registered *wire.RegisterReplica
	File       string
	Position   uint64
	ServerID   uint32
	Flags      wire.DumpFlags
	GTID       bool // COM_BINLOG_DUMP_GTID
	Attributes wire.Attributes
}

// Start listens on a free port of the loopback address.
func Start(options Options) (*Source, error) {
	key, err := rsaKey()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	options = options.withDefaults()
	s := &Source{
		options:  options,
		listener: listener,
		key:      key,
		conns:    make(map[net.Conn]bool),
		files:    slices.Clone(options.Files),
		changed:  make(chan struct{}),
		answers:  options.Answers,
	}
	s.work.Go(s.accept)
	return s, nil
}

// rsaKey is made once: it is slow, and no secret of these tests.
var rsaKey = sync.OnceValues(wire.GenerateRSAKey)

// Addr is where the source listens.
func (s *Source) Addr() string { return s.listener.Addr().String() }

// Close stops listening, breaks every connection off and returns when nothing
// of the source runs any more.
func (s *Source) Close() {
	s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

// Drop breaks every connection off.
func (s *Source) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Next gives the next dumps a Script each, in order. A dump without one is honest.
func (s *Source) Next(scripts ...*Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts = append(s.scripts, scripts...)
}

// SetFiles replaces the files. An honest dump that goes on in one of them must
// find its bytes longer, not different.
func (s *Source) SetFiles(files ...File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = slices.Clone(files)
	close(s.changed)
	s.changed = make(chan struct{})
}

// SetAnswers replaces Options.Answers.
func (s *Source) SetAnswers(answers map[string]*wire.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = answers
}

// Requests returns the dumps that were asked for since Start.
func (s *Source) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Source) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = true
		s.mu.Unlock()
		s.work.Go(func() {
			session := &session{source: s, conn: conn, wire: wire.NewConn(conn)}
			if err := session.run(); err != nil {
				s.options.Logger.Debug("connection ended", "err", err)
			}
			conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

// begun notes a dump and returns its script.
func (s *Source) begun(r Request) *Script {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if len(s.scripts) == 0 {
		return new(Script)
	}
	script := s.scripts[0]
	s.scripts = s.scripts[1:]
	return script
}

// snapshot returns the files, and what is closed when they change.
func (s *Source) snapshot() ([]File, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files, s.changed
}
