package testenv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SourceSpec says whom a replica follows. The zero value of each field is documented; the rest of
// the channel is left as it is.
type SourceSpec struct {
	Host         string // "" = 127.0.0.1
	Port         int
	User         string // "" = ReplicationUser with its password
	Password     string
	AutoPosition bool   // by GTID; File and Pos are ignored
	File         string // "" = leave the position as it is
	Pos          uint64 // in bytes; 0 = 4, the first event

	HeartbeatSeconds float64 // 0 = the server's default, half of replica_net_timeout
	ConnectRetry     int     // seconds between two attempts; 0 = 1, since a test has no time for the default 60
	RetryCount       int     // attempts before giving up; 0 = the server's default
	TLS              bool    // required if true, not used if false
}

// Source is the specification for following m by GTID.
func (m *MySQL) Source() SourceSpec { return SourceSpec{Port: m.port, AutoPosition: true} }

// ReplicateFrom points the server at a source and starts its replica threads. A replica that already
// follows another is stopped first, and keeps what it has applied. It returns when the threads
// have been started, not when they have connected.
func (m *MySQL) ReplicateFrom(ctx context.Context, source SourceSpec) error {
	if err := m.StopReplica(ctx); err != nil {
		return err
	}
	statement, args := source.changeStatement()
	if _, err := m.db.ExecContext(ctx, statement, args...); err != nil {
		return m.explain("pointing to its source", err)
	}
	return m.StartReplica(ctx)
}

func (s SourceSpec) changeStatement() (string, []any) {
	var options []string
	var args []any
	set := func(option string, value any) {
		options = append(options, option+" = ?")
		args = append(args, value)
	}
	if s.Host == "" {
		s.Host = "127.0.0.1"
	}
	if s.User == "" {
		s.User, s.Password = ReplicationUser, ReplicationPassword
	}
	if s.ConnectRetry == 0 {
		s.ConnectRetry = 1
	}
	set("SOURCE_HOST", s.Host)
	set("SOURCE_PORT", s.Port)
	set("SOURCE_USER", s.User)
	set("SOURCE_PASSWORD", s.Password)
	set("SOURCE_CONNECT_RETRY", s.ConnectRetry)
	set("SOURCE_SSL", boolToInt(s.TLS))
	// caching_sha2_password sends the password over a plain connection encrypted with this key only.
	set("GET_SOURCE_PUBLIC_KEY", 1)
	set("SOURCE_AUTO_POSITION", boolToInt(s.AutoPosition))
	if !s.AutoPosition && s.File != "" {
		set("SOURCE_LOG_FILE", s.File)
		set("SOURCE_LOG_POS", max(s.Pos, 4))
	}
	if s.HeartbeatSeconds != 0 {
		set("SOURCE_HEARTBEAT_PERIOD", s.HeartbeatSeconds)
	}
	if s.RetryCount != 0 {
		set("SOURCE_RETRY_COUNT", s.RetryCount)
	}
	return "CHANGE REPLICATION SOURCE TO " + strings.Join(options, ", "), args
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// StartReplica starts the receiver and the applier.
func (m *MySQL) StartReplica(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, "START REPLICA")
	return m.explain("starting the replica threads of", err)
}

// StopReplica stops them. Nothing happens on a server that is no replica.
func (m *MySQL) StopReplica(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, "STOP REPLICA")
	return m.explain("stopping the replica threads of", err)
}

// ReplicaStatus is the row of SHOW REPLICA STATUS by column name, NULL as "". It is empty on a server
// that is no replica.
func (m *MySQL) ReplicaStatus(ctx context.Context) (map[string]string, error) {
	rows, err := m.queryRows(ctx, "SHOW REPLICA STATUS")
	if err != nil || len(rows) == 0 {
		return map[string]string{}, err
	}
	return rows[0], nil
}

// WaitForGTIDs returns when the server has executed every transaction of the set. It gives up when
// ctx is done, or at once when a replica thread has stopped with an error that keeps it from getting
// there; the error then has what SHOW REPLICA STATUS says.
func (m *MySQL) WaitForGTIDs(ctx context.Context, set string) error {
	for {
		// The server's own wait, cut into pieces to look at the threads in between. Cancelling ctx
		// would leave the statement running at the server, hence no more than a second.
		timedOut, err := m.queryValue(ctx, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 0.5)", set)
		if err == nil && timedOut == "0" {
			return nil
		}
		if err == nil {
			err = m.stuck(ctx, set)
		}
		if err != nil {
			return m.notExecuted(ctx, set, err)
		}
	}
}

// stuck tells whether a replica cannot reach the set any more by itself.
func (m *MySQL) stuck(ctx context.Context, set string) error {
	status, err := m.ReplicaStatus(ctx)
	if err != nil {
		return err
	}
	if message := status["Last_SQL_Error"]; message != "" && status["Replica_SQL_Running"] == "No" {
		return fmt.Errorf("the applier stopped: %s", message)
	}
	if message := status["Last_IO_Error"]; message != "" && status["Replica_IO_Running"] == "No" {
		// What was received before it stopped is still being applied.
		enough, err := m.queryValue(ctx, "SELECT GTID_SUBSET(?, CONCAT(@@GLOBAL.gtid_executed, ',', ?))",
			set, status["Retrieved_Gtid_Set"])
		if err != nil {
			return err
		}
		if enough == "0" {
			return fmt.Errorf("the receiver stopped: %s", message)
		}
	}
	return nil
}

// notExecuted adds to an error of WaitForGTIDs what the server has, if it still tells.
func (m *MySQL) notExecuted(ctx context.Context, set string, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	executed, err := m.GTIDExecuted(ctx)
	status, statusErr := m.ReplicaStatus(ctx)
	if err = errors.Join(err, statusErr); err != nil {
		return fmt.Errorf("waiting for %s on %s: %w", set, m.options.Name, errors.Join(cause, err))
	}
	return fmt.Errorf("waiting for %s on %s: %w (executed %q, received %q, receiver %s %q, applier %s %q)",
		set, m.options.Name, cause, executed, status["Retrieved_Gtid_Set"],
		status["Replica_IO_Running"], status["Last_IO_Error"],
		status["Replica_SQL_Running"], status["Last_SQL_Error"])
}
