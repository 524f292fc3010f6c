package wire

import "fmt"

// RegisterReplica is COM_REGISTER_SLAVE, with which a replica enters itself in
// SHOW REPLICAS (sql/rpl_source.cc, register_replica; sql/rpl_replica.cc,
// register_slave_on_master). Registration is optional for a dump.
//
//	15 | server id u32 | host | user | password   (lenenc strings)
//	| port u16 | rank u32, unused | source id u32
//
// The password is what report_password of the replica says. It is skipped, so
// that nobody can store or log it, and sent empty.
type RegisterReplica struct {
	ServerID uint32
	Host     string
	User     string
	Port     uint16
	Rank     uint32
	SourceID uint32 // 0 means the server that is asked
}

// Longest strings that mysqld accepts (HOSTNAME_LENGTH, USERNAME_LENGTH,
// MAX_PASSWORD_LENGTH).
const (
	maxReportHost     = 255
	maxReportUser     = 96
	maxReportPassword = 32
)

// DecodeRegisterReplica decodes the payload of COM_REGISTER_SLAVE.
func DecodeRegisterReplica(payload []byte) (RegisterReplica, error) {
	var reg RegisterReplica
	r := NewReader("COM_REGISTER_SLAVE", payload)
	r.Expect("command", uint8(ComRegisterReplica))
	reg.ServerID = r.Uint32("server id")
	reg.Host = string(shortLenenc(&r, "report_host", maxReportHost))
	reg.User = string(shortLenenc(&r, "report_user", maxReportUser))
	shortLenenc(&r, "report_password", maxReportPassword)
	reg.Port = r.Uint16("port")
	reg.Rank = r.Uint32("rank")
	reg.SourceID = r.Uint32("source id")
	return reg, r.Err()
}

func shortLenenc(r *Reader, field string, limit int) []byte {
	p := r.LenencBytes(field)
	if len(p) > limit {
		r.Fail(field, fmt.Errorf("%d bytes, more than %d", len(p), limit))
		return nil
	}
	return p
}

// Append appends the payload to dst.
func (reg *RegisterReplica) Append(dst []byte) []byte {
	dst = append(dst, byte(ComRegisterReplica))
	dst = le.AppendUint32(dst, reg.ServerID)
	dst = appendLenencString(dst, reg.Host)
	dst = appendLenencString(dst, reg.User)
	dst = appendLenencString(dst, "")
	dst = le.AppendUint16(dst, reg.Port)
	dst = le.AppendUint32(dst, reg.Rank)
	return le.AppendUint32(dst, reg.SourceID)
}
