package fakesource

import (
	"crypto/rand"
	"net"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// session is one connection, up to its dump.
type session struct {
	source     *Source
	conn       net.Conn
	wire       *wire.Conn
	caps       wire.Capabilities
	attributes wire.Attributes
	statements []string
	registered *wire.RegisterReplica
	period     string // of heartbeats, nanoseconds, as the replica set it
	checksum   string // as the replica announced it
}

const commandLimit = 1 << 20

func (s *session) run() error {
	if err := s.login(); err != nil {
		return err
	}
	for {
		s.wire.ResetSequence()
		payload, err := s.wire.ReadPacket(commandLimit)
		if err != nil {
			return err
		}
		if len(payload) == 0 {
			return s.fail(wire.Errorf(wire.ERMalformedPacket, "Malformed communication packet."))
		}
		done, err := s.command(payload)
		if err != nil || done {
			return err
		}
		if err := s.wire.Flush(); err != nil {
			return err
		}
	}
}

// Lookup makes a session the account book of its login.
func (s *session) Lookup(user string) (wire.Account, bool) {
	o := s.source.options
	if o.NativePassword {
		native := wire.NewNativeVerifier([]byte(o.Password))
		return wire.Account{Native: &native}, user == o.User
	}
	sha2 := wire.NewCachingSHA2Verifier([]byte(o.Password))
	return wire.Account{CachingSHA2: &sha2}, user == o.User
}

func (s *session) login() error {
	login := wire.ServerLogin{
		Greeting: wire.Greeting{
			ServerVersion: s.source.options.Version,
			ConnectionID:  s.source.lastID.Add(1),
			Capabilities:  wire.LoginCapabilities | wire.CapTransactions | wire.CapLongFlag | wire.CapDeprecateEOF,
			Collation:     255,
			Status:        2,
			Plugin:        wire.CachingSHA2Password,
		},
		Accounts:   s,
		RSAKey:     s.source.key,
		Random:     rand.Reader,
		ClientHost: "127.0.0.1",
	}
	who, err := login.Run(s.wire)
	if err != nil {
		return err
	}
	s.caps, s.attributes = who.Capabilities, who.Attributes
	return nil
}

// command answers one command. done says that the connection has ended.
func (s *session) command(payload []byte) (done bool, err error) {
	switch wire.Command(payload[0]) {
	case wire.ComQuit:
		return true, nil
	case wire.ComQuery:
		q, err := wire.DecodeQuery(payload, s.caps)
		if err != nil {
			return true, err
		}
		return false, s.query(q.SQL)
	case wire.ComRegisterReplica:
		reg, err := wire.DecodeRegisterReplica(payload)
		if err != nil {
			return true, err
		}
		s.registered = &reg
		if e := s.answer("COM_REGISTER_SLAVE"); e != nil {
			return false, s.fail(e)
		}
		return false, s.ok()
	case wire.ComBinlogDump:
		d, err := wire.DecodeBinlogDump(payload)
		if err != nil {
			return true, err
		}
		return true, s.dump(Request{File: d.File, Position: uint64(d.Position), ServerID: d.ServerID, Flags: d.Flags})
	case wire.ComBinlogDumpGTID:
		d, err := wire.DecodeBinlogDumpGTID(payload)
		if err != nil {
			return true, err
		}
		return true, s.dump(Request{File: d.File, Position: d.Position, ServerID: d.ServerID, Flags: d.Flags, GTID: true})
	}
	return false, s.fail(wire.Errorf(wire.ERUnknownCom, "Unknown command"))
}

// dump hands the connection to the script of this dump.
func (s *session) dump(r Request) error {
	r.Statements, r.Registered, r.Attributes = s.statements, s.registered, s.attributes
	script := s.source.begun(r)
	if e := s.answer("COM_BINLOG_DUMP"); e != nil {
		return s.fail(e)
	}
	return newDump(s, r).play(script)
}

// answer returns the error that is ordered for a statement or command.
func (s *session) answer(what string) *wire.Error {
	s.source.mu.Lock()
	defer s.source.mu.Unlock()
	for prefix, e := range s.source.answers {
		if strings.HasPrefix(what, prefix) {
			return e
		}
	}
	return nil
}

func (s *session) ok() error {
	ok := wire.OK{Status: 2}
	return s.wire.WritePacket(ok.Append(nil, s.caps))
}

// fail sends an error and leaves the connection open.
func (s *session) fail(e *wire.Error) error {
	if err := s.wire.WritePacket(e.Append(nil)); err != nil {
		return err
	}
	return s.wire.Flush()
}
