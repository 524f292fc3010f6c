package replication

import "fmt"

// EventType is the type byte of an event header (mysqld: mysql::binlog::event::Log_event_type).
type EventType uint8

// The event types that binlogproxy looks into or that end, begin or surround
// transactions. All others pass through untouched.
const (
	QueryEvent              EventType = 2
	StopEvent               EventType = 3
	RotateEvent             EventType = 4
	FormatDescriptionEvent  EventType = 15
	XIDEvent                EventType = 16
	ExecuteLoadQueryEvent   EventType = 18
	IncidentEvent           EventType = 26
	HeartbeatEvent          EventType = 27
	GTIDEventType           EventType = 33
	AnonymousGTIDEvent      EventType = 34
	PreviousGTIDsEvent      EventType = 35
	XAPrepareEvent          EventType = 38
	TransactionPayloadEvent EventType = 40
	HeartbeatV2Event        EventType = 41
	GTIDTaggedEvent         EventType = 42
)

var eventTypeNames = map[EventType]string{
	1: "START_V3", 2: "QUERY", 3: "STOP", 4: "ROTATE", 5: "INTVAR", 6: "LOAD", 8: "CREATE_FILE",
	9: "APPEND_BLOCK", 10: "EXEC_LOAD", 11: "DELETE_FILE", 12: "NEW_LOAD", 13: "RAND", 14: "USER_VAR",
	15: "FORMAT_DESCRIPTION", 16: "XID", 17: "BEGIN_LOAD_QUERY", 18: "EXECUTE_LOAD_QUERY", 19: "TABLE_MAP",
	23: "WRITE_ROWS_V1", 24: "UPDATE_ROWS_V1", 25: "DELETE_ROWS_V1", 26: "INCIDENT", 27: "HEARTBEAT",
	28: "IGNORABLE", 29: "ROWS_QUERY", 30: "WRITE_ROWS", 31: "UPDATE_ROWS", 32: "DELETE_ROWS", 33: "GTID",
	34: "ANONYMOUS_GTID", 35: "PREVIOUS_GTIDS", 36: "TRANSACTION_CONTEXT", 37: "VIEW_CHANGE", 38: "XA_PREPARE",
	39: "PARTIAL_UPDATE_ROWS", 40: "TRANSACTION_PAYLOAD", 41: "HEARTBEAT_V2", 42: "GTID_TAGGED",
}

// String returns MySQL's name of the type, or "UNKNOWN(n)".
func (t EventType) String() string {
	if name, ok := eventTypeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("UNKNOWN(%d)", uint8(t))
}
