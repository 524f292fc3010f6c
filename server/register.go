package server

import "github.com/binlogproxy/binlogproxy/internal/wire"

// register answers COM_REGISTER_SLAVE: the client enters itself in SHOW REPLICAS
// for as long as the connection lives. A dump works without it.
func (s *session) register(payload []byte) error {
	r, err := wire.DecodeRegisterReplica(payload)
	if err != nil {
		return s.malformed()
	}
	if !s.account.may(ReplicationSlave) {
		return s.answer(wire.Errorf(wire.ERAccessDenied, "Access denied for user '%s'@'%s' (using password: YES)", s.account.User, s.clientHost))
	}
	uuid, _ := s.replicaUUID()
	if id := s.identity(); r.ServerID == id.ServerID || uuid != "" && uuid == id.ServerUUID {
		s.log.Warn("a replica has the source's own server_id or server_uuid and will refuse to run: give it another",
			"replica_server_id", r.ServerID, "replica_uuid", uuid)
	}
	s.setStatus(func(p *sessionStatus) { p.registered, p.replicaUUID = &r, uuid })
	return s.ok()
}

// replicaUUID is what the client has said of itself.
func (s *session) replicaUUID() (string, bool) {
	v, ok := s.variables.first("replica_uuid", "slave_uuid")
	return v.text, ok
}
