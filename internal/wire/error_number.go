package wire

// Error numbers that we send, with the names of share/messages_to_clients.txt
// in mysqld. The comment is what they are for here.
const (
	ERConCount                uint16 = 1040 // too many connections; sent instead of the greeting, or of the OK behind it
	EROutOfResources          uint16 = 1041 // fatal for a replica
	ERHandshake               uint16 = 1043 // bad handshake
	ERDBAccessDenied          uint16 = 1044
	ERAccessDenied            uint16 = 1045 // login refused
	ERNoDB                    uint16 = 1046 // no database selected
	ERUnknownCom              uint16 = 1047 // unknown command
	ERServerShutdown          uint16 = 1053
	ERParse                   uint16 = 1064 // syntax error
	ERNoSuchThread            uint16 = 1094 // KILL of an id that is not there
	ERKillDenied              uint16 = 1095
	ERUnknown                 uint16 = 1105
	ERNetPacketTooLarge       uint16 = 1153
	ERNetPacketsOutOfOrder    uint16 = 1156
	ERUnknownSystemVariable   uint16 = 1193
	ERTooManyUserConnections  uint16 = 1203
	ERUserLimitReached        uint16 = 1226
	ERSpecificAccessDenied    uint16 = 1227 // a privilege is missing
	ERWrongValueForVar        uint16 = 1231
	ERMasterFatalReadingLog   uint16 = 1236 // ends a dump for good: a replica stops until a person comes
	ERUnknownStmtHandler      uint16 = 1243
	ERNotSupportedAuthMode    uint16 = 1251
	EROptionPreventsStatement uint16 = 1290 // read-only
	ERUnsupportedPS           uint16 = 1295
	ERSPDoesNotExist          uint16 = 1305 // unknown function
	ERQueryInterrupted        uint16 = 1317
	ERMalformedGTIDSet        uint16 = 1773 // the set of COM_BINLOG_DUMP_GTID cannot be read
	ERMalformedPacket         uint16 = 1835 // a command is shorter than its fields
	ERSecureTransportRequired uint16 = 3159
)

// generalState is the SQLSTATE of errors that have none of their own.
const generalState = "HY000"

// sqlState returns the SQLSTATE that mysqld sends with an error number
// (the same file).
func sqlState(number uint16) string {
	switch number {
	case ERConCount, ERNotSupportedAuthMode:
		return "08004"
	case ERHandshake, ERUnknownCom, ERServerShutdown, ERNetPacketTooLarge, ERNetPacketsOutOfOrder:
		return "08S01"
	case ERAccessDenied:
		return "28000"
	case ERNoDB:
		return "3D000"
	case ERDBAccessDenied, ERParse, ERTooManyUserConnections, ERUserLimitReached, ERSpecificAccessDenied,
		ERWrongValueForVar, ERSPDoesNotExist:
		return "42000"
	case ERQueryInterrupted:
		return "70100"
	default:
		return generalState
	}
}
