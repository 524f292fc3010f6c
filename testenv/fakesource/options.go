package fakesource

import (
	"log/slog"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// Options of a Source. The zero value is a MySQL 9.7.4 with the Recorded files.
type Options struct {
	User     string // "" means DefaultUser
	Password string // "" means DefaultPassword

	// NativePassword makes the account one of mysql_native_password, as before 8.0.
	NativePassword bool

	Version    string // "" means 9.7.4
	ServerID   uint32 // 0 means RecordedServerID
	ServerUUID string // "" means RecordedUUID
	GTIDMode   string // "" means ON
	NoBinlog   bool   // @@log_bin is 0

	Files    []File    // the oldest first; nil means Recorded
	Replicas []Replica // other rows of SHOW REPLICAS

	// Answers are errors instead of answers, by the statement's beginning, or by
	// "COM_REGISTER_SLAVE" and "COM_BINLOG_DUMP".
	Answers map[string]*wire.Error

	// Logger is told what goes wrong beside the scripts. nil is silent.
	Logger *slog.Logger
}

// Account of a Source whose Options name none.
const (
	DefaultUser     = "replica"
	DefaultPassword = "fake source's password"
)

// Replica is one row of SHOW REPLICAS.
type Replica struct {
	ServerID uint32
	Host     string
	Port     uint16
	UUID     string
}

func (o Options) withDefaults() Options {
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&o.User, DefaultUser)
	set(&o.Password, DefaultPassword)
	set(&o.Version, "9.7.4")
	set(&o.ServerUUID, RecordedUUID)
	set(&o.GTIDMode, "ON")
	if o.ServerID == 0 {
		o.ServerID = RecordedServerID
	}
	if o.Files == nil {
		o.Files = Recorded()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
