package replication

// Reach is what a source can be asked for in a dump by file and position. It
// depends on the source's gtid_mode at the time.
type Reach struct {
	// Farthest is the last offset of a file that a dump can begin at.
	Farthest int64
	// Refuses is the kind of transactions that the source sends nobody any more,
	// also where its files have them (mysqld: Binlog_sender::check_event_type). It
	// looks at their first event only: a dump may begin within one.
	Refuses TransactionKind
}

// TransactionKind tells transactions that have a GTID from those that have none.
type TransactionKind uint8

const (
	NoTransactions TransactionKind = iota
	AnonymousTransactions
	GTIDTransactions
)

func (k TransactionKind) String() string {
	return [...]string{"no transactions", "anonymous transactions", "transactions with a GTID"}[min(k, GTIDTransactions)]
}

// KindOf is the kind of the transactions that begin with an event of that type;
// NoTransactions where it does not say.
func KindOf(t EventType) TransactionKind {
	switch t {
	case AnonymousGTIDEvent:
		return AnonymousTransactions
	case GTIDEventType, GTIDTaggedEvent:
		return GTIDTransactions
	}
	return NoTransactions
}
