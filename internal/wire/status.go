package wire

// Status is the SERVER_STATUS_* word of the greeting and of OK and EOF packets
// (include/mysql_com.h).
type Status uint16

const (
	StatusInTransaction      Status = 0x0001
	StatusAutocommit         Status = 0x0002
	StatusMoreResults        Status = 0x0008
	StatusNoBackslashEscapes Status = 0x0200
	StatusSlowQuery          Status = 0x0800
)
