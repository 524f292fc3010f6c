package replica

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replication"
)

// SourceInfo is what a source says of itself when we connect.
type SourceInfo struct {
	Addr           string
	Flavor         replication.Flavor
	Version        string // @@version
	ServerID       uint32
	ServerUUID     string // "" where the server has none (MariaDB, MySQL before 5.6)
	GTIDMode       string // OFF, OFF_PERMISSIVE, ON_PERMISSIVE, ON; "" where the server has none
	BinlogChecksum string // of the file it writes now: NONE or CRC32
}

// Error numbers of answers that are looked at (share/messages_to_clients.txt).
const (
	erParseError        = 1064
	erUnknownVariable   = 1193
	erNoBinaryLogging   = 1381
	erSpecificAccess    = 1227
	erAccessDenied      = 1045
	erTableAccessDenied = 1142
)

// identify asks the source who it is, and refuses one that cannot be followed.
func (r *Replica) identify(ctx context.Context, conn *dial.Conn) (SourceInfo, error) {
	info := SourceInfo{Addr: r.options.Source.Addr, Flavor: replication.MySQL}
	main, err := conn.Query(ctx, "SELECT @@version, @@server_id, @@log_bin, @@binlog_checksum")
	if err != nil {
		return info, err
	}
	if len(main.Rows) != 1 || len(main.Rows[0]) != 4 {
		return info, errors.New("the source's answer about its version and server id has not one row of four columns")
	}
	row := main.Rows[0]
	info.Version = row[0]
	if strings.Contains(strings.ToLower(info.Version), "mariadb") {
		info.Flavor = replication.MariaDB
	}
	id, err := strconv.ParseUint(row[1], 10, 32)
	if err != nil {
		return info, fmt.Errorf("the source's server_id is %q", row[1])
	}
	info.ServerID = uint32(id)
	info.BinlogChecksum = row[3]
	logBin := row[2]
	if info.ServerUUID, err = optionalVariable(ctx, conn, "server_uuid"); err != nil {
		return info, err
	}
	if info.GTIDMode, err = optionalVariable(ctx, conn, "gtid_mode"); err != nil {
		return info, err
	}
	return info, r.followable(info, logBin)
}

// optionalVariable returns "" where the server does not know the variable.
func optionalVariable(ctx context.Context, conn *dial.Conn, name string) (string, error) {
	result, err := conn.Query(ctx, "SELECT @@"+name)
	if dial.Number(err) == erUnknownVariable {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) != 1 {
		return "", fmt.Errorf("the source's answer to SELECT @@%s is not one value", name)
	}
	return result.Rows[0][0], nil
}

func (r *Replica) followable(info SourceInfo, logBin string) error {
	switch {
	case info.Flavor != replication.MySQL:
		return stopf(StopConfiguration, "source %s is a MariaDB server (%s), which is not supported yet", info.Addr, info.Version)
	case logBin != "1" && !strings.EqualFold(logBin, "ON"):
		return stopf(StopConfiguration, "source %s writes no binlog (@@log_bin is %s): start it with --log-bin", info.Addr, logBin)
	case info.ServerID == 0:
		return stopf(StopConfiguration, "source %s has server_id 0 and sends no binlog: set its server_id", info.Addr)
	case info.ServerID == r.options.ServerID:
		return stopf(StopConfiguration, "our server_id %d is that of the source %s: give binlogproxy one of its own", info.ServerID, info.Addr)
	case strings.EqualFold(info.ServerUUID, r.options.ServerUUID):
		return stopf(StopConfiguration, "our server uuid %s is that of the source %s: give binlogproxy one of its own", info.ServerUUID, info.Addr)
	}
	return nil
}

// encryptionHeader is how much longer an encrypted file is at the source than what
// is sent of it (mysqld: Rpl_encryption_header::HEADER_SIZE).
const encryptionHeader = 512

// binaryLogs lists the source's files, the oldest first (SHOW BINARY LOGS).
func (r *Replica) binaryLogs(ctx context.Context, conn *dial.Conn) ([]BinlogFile, error) {
	result, err := conn.Query(ctx, "SHOW BINARY LOGS")
	if dial.Number(err) == erNoBinaryLogging {
		return nil, stopf(StopConfiguration, "source %s writes no binlog: %w", r.options.Source.Addr, err)
	}
	if err != nil {
		return nil, r.missingPrivilege("REPLICATION CLIENT", err)
	}
	files := make([]BinlogFile, 0, len(result.Rows))
	for _, row := range result.Rows {
		if len(row) < 2 {
			return nil, errors.New("the source's answer to SHOW BINARY LOGS has fewer than two columns")
		}
		if err := replication.ValidFileName(row[0]); err != nil {
			return nil, stopf(StopConfiguration, "source %s names its binlog files as binlogproxy does not keep them: %w", r.options.Source.Addr, err)
		}
		size, err := strconv.ParseInt(row[1], 10, 64)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("SHOW BINARY LOGS of the source: %s has %q bytes", row[0], row[1])
		}
		if len(row) > 2 && strings.EqualFold(row[2], "Yes") {
			size = max(0, size-encryptionHeader)
		}
		files = append(files, BinlogFile{Name: row[0], Size: size})
	}
	if len(files) == 0 {
		return nil, errors.New("SHOW BINARY LOGS of the source lists no file")
	}
	return files, nil
}

// checkServerID refuses a server id that another replica of the source has.
// mysqld does not: it would serve both, and a third that takes the id would end
// one of them. A row with our uuid, or our predecessor's, is what an earlier connection left.
func (r *Replica) checkServerID(ctx context.Context, conn *dial.Conn) error {
	result, err := conn.Query(ctx, "SHOW REPLICAS")
	if dial.Number(err) == erParseError { // before 8.0.22
		result, err = conn.Query(ctx, "SHOW SLAVE HOSTS")
	}
	if err != nil {
		return r.missingPrivilege("REPLICATION SLAVE", err)
	}
	for _, row := range result.Rows { // server id, host, port, source id, uuid
		if len(row) < 5 || row[0] != strconv.FormatUint(uint64(r.options.ServerID), 10) || r.was(row[4]) {
			continue
		}
		return stopf(StopConfiguration, "server id %d is in use at source %s by the replica %s (host %q, port %s): give binlogproxy one of its own",
			r.options.ServerID, r.options.Source.Addr, row[4], row[1], row[2])
	}
	return nil
}

// was says that a replica with that uuid was this one.
func (r *Replica) was(uuid string) bool {
	return strings.EqualFold(uuid, r.options.ServerUUID) || uuid != "" && strings.EqualFold(uuid, r.options.Predecessor)
}

// missingPrivilege makes a permanent error, which says what to run at the
// source, of one about a privilege; it returns others unchanged.
func (r *Replica) missingPrivilege(privilege string, err error) error {
	switch dial.Number(err) {
	case erSpecificAccess, erAccessDenied, erTableAccessDenied:
		return stopf(StopAccess, "%w; run at the source: GRANT %s ON *.* TO <the account of %q>", err, privilege, r.options.Source.User)
	}
	return err
}
