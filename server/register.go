package server

import (
	"errors"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// register answers COM_REGISTER_SLAVE: the client enters itself in SHOW REPLICAS
// for as long as the connection lives. A dump works without it.
func (s *session) register(payload []byte) error {
	if !s.account.may(ReplicationSlave) {
		return s.answer(wire.Errorf(wire.ERAccessDenied, "Access denied for user '%s'@'%%' (using password: YES)", s.account.User)) // the account's host, not the client's
	}
	r, err := wire.DecodeRegisterReplica(payload)
	if err != nil {
		return s.malformedRegistration(err)
	}
	uuid, _ := s.replicaUUID()
	if id := s.identity(); r.ServerID == id.ServerID || uuid != "" && uuid == id.ServerUUID {
		s.log.Warn("a replica has the source's own server_id or server_uuid and will refuse to run: give it another",
			"replica_server_id", r.ServerID, "replica_uuid", uuid)
	}
	s.setStatus(func(p *sessionStatus) { p.registered, p.replicaUUID = &r, uuid })
	return s.ok()
}

// malformedRegistration answers as mysqld does (sql/rpl_source.cc, register_replica):
// a string that is cut off counts as too long, one without a length as malformed.
func (s *session) malformedRegistration(err error) error {
	var malformed *wire.MalformedError
	if errors.As(err, &malformed) {
		switch malformed.Field {
		case wire.ReportHost:
			return s.answer(wire.Errorf(wire.ERUnknown, "Failed to register replica: too long 'report-host'"))
		case wire.ReportUser:
			return s.answer(wire.Errorf(wire.ERUnknown, "Failed to register replica: too long 'report-user'"))
		case wire.ReportPassword:
			return s.answer(wire.Errorf(wire.ERUnknown, "Failed to register replica; too long 'report-password'"))
		case wire.ReportRest:
			return s.answer(wire.Errorf(wire.ERUnknown, "Wrong parameters when registering replica"))
		}
	}
	return s.malformed()
}

// replicaUUID is what the client has said of itself.
func (s *session) replicaUUID() (string, bool) {
	v, ok := s.variables.first("replica_uuid", "slave_uuid")
	return v.text, ok
}
