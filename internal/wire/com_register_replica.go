package wire

import "fmt"

// RegisterReplica is COM_REGISTER_SLAVE, with which a replica enters itself in
// SHOW REPLICAS (sql/rpl_source.cc, register_replica; sql/rpl_replica.cc,
// register_slave_on_master). Registration is optional for a dump.
//
//	15 | server id u32 | host | user | password   (length u8 before each)
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

// Fields of a registration that a MalformedError may name.
const (
	ReportHost     = "report_host"
	ReportUser     = "report_user"
	ReportPassword = "report_password"
	ReportRest     = "port, rank and source id"
)

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
	reg.Host = string(reportString(&r, ReportHost, maxReportHost))
	reg.User = string(reportString(&r, ReportUser, maxReportUser))
	reportString(&r, ReportPassword, maxReportPassword)
	if rest := r.Bytes(ReportRest, 10); rest != nil {
		reg.Port, reg.Rank, reg.SourceID = le.Uint16(rest), le.Uint32(rest[2:]), le.Uint32(rest[6:])
	}
	return reg, r.Err()
}

// reportString reads a string behind one byte for its length. A string that is cut
// off or too long is an error of the field itself, to which mysqld has answers of
// their own.
func reportString(r *Reader, field string, limit int) []byte {
	n := int(r.Uint8("length of " + field))
	if n > limit {
		r.Fail(field, fmt.Errorf("%d bytes, more than %d", n, limit))
	}
	return r.Bytes(field, n)
}

// Append appends the payload to dst.
func (reg *RegisterReplica) Append(dst []byte) []byte {
	dst = append(dst, byte(ComRegisterReplica))
	dst = le.AppendUint32(dst, reg.ServerID)
	for _, s := range [...]string{reg.Host, reg.User, ""} {
		s = s[:min(len(s), maxReportHost)]
		dst = append(append(dst, byte(len(s))), s...)
	}
	dst = le.AppendUint16(dst, reg.Port)
	dst = le.AppendUint32(dst, reg.Rank)
	return le.AppendUint32(dst, reg.SourceID)
}
