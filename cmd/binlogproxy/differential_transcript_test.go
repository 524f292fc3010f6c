package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/testenv"
)

// transcript is what a client sends from its login to its dump, as it was captured.
// Each packet of the answers must be mysqld's.
type transcript struct {
	client     string
	statements string // one a line
	register   bool
	dump       func(serverID uint32, end testenv.BinlogFile) []byte
}

func plain(flags wire.DumpFlags, suffix string) func(uint32, testenv.BinlogFile) []byte {
	return func(serverID uint32, end testenv.BinlogFile) []byte {
		if flags&nonBlock != 0 {
			serverID = 0
		}
		d := wire.BinlogDump{Position: 4, Flags: flags, ServerID: serverID, File: end.Name}
		return append(d.Append(nil), suffix...)
	}
}

// auto asks by an empty GTID set, under the name that the client sends for none.
func auto(flags wire.DumpFlags, name string) func(uint32, testenv.BinlogFile) []byte {
	return func(serverID uint32, _ testenv.BinlogFile) []byte { return gtidDumpNamed(flags, serverID, name) }
}

// replica5 are the statements of MySQL replicas before 8.0.26.
const replica5 = `SELECT UNIX_TIMESTAMP()
	SELECT @@GLOBAL.SERVER_ID
	SET @master_heartbeat_period= 30000001024
	SET @master_binlog_checksum= @@global.binlog_checksum
	SELECT @master_binlog_checksum
	SELECT @@GLOBAL.GTID_MODE
	SELECT @@GLOBAL.SERVER_UUID
	SET @slave_uuid= '%s'
	SELECT @@global.rpl_semi_sync_master_enabled`

const replica8 = `SELECT UNIX_TIMESTAMP()
	SELECT @@GLOBAL.SERVER_ID
	SET @master_heartbeat_period = 30000001024, @source_heartbeat_period = 30000001024
	SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum
	SELECT @source_binlog_checksum
	SELECT @@GLOBAL.GTID_MODE
	SELECT @@GLOBAL.SERVER_UUID
	SET @slave_uuid = '%[1]s', @replica_uuid = '%[1]s'
	SELECT @@global.rpl_semi_sync_source_enabled`

const mariadb = `SELECT UNIX_TIMESTAMP()
	SHOW VARIABLES LIKE 'SERVER_ID'
	SET @master_heartbeat_period= 30000001024
	SET @master_binlog_checksum= @@global.binlog_checksum
	SELECT @master_binlog_checksum
	SET @mariadb_slave_capability=4
	SELECT binlog_gtid_pos('binlog.000001',4)
	SHOW VARIABLES LIKE 'rpl_semi_sync_master_enabled'
	SET @rpl_semi_sync_slave= 1`

const python = `SET NAMES utf8
	SET AUTOCOMMIT = 0
	SHOW GLOBAL VARIABLES LIKE 'BINLOG_CHECKSUM'
	SET @master_binlog_checksum= @@global.binlog_checksum
	SET @slave_uuid = '%[1]s', @replica_uuid = '%[1]s'
	SET @master_heartbeat_period = 30000001024
	SET @mariadb_slave_capability=4`

var captured = []transcript{
	{"MySQL replica 5.7.22 and 8.0.15, file", replica5, true, plain(0, "")},
	{"MySQL replica 5.7.22 and 8.0.15, GTID", replica5, true, auto(0, "")},
	{"MySQL replica since 8.0.26, file", replica8, true, plain(wire.DumpHeartbeatV2, "")},
	{"MySQL replica since 8.0.26, GTID", replica8, true, auto(wire.DumpHeartbeatV2, "")},
	{"MySQL replica that leaves its tags out, GTID", replica8, true, auto(wire.DumpHeartbeatV2|wire.DumpThroughGTID, "")},
	{"MariaDB replica 10.2 to 11.8, file", mariadb, true, plain(wire.DumpHeartbeatV2, "")},
	{"mysqlbinlog before 8.0.26", "SELECT VERSION()\nSET @master_binlog_checksum='NONE'", false, plain(nonBlock, "")},
	{"mysqlbinlog since 8.0.26", "SELECT VERSION()\nSET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE'", false, plain(nonBlock, "")},
	{"mariadb-binlog", "SELECT VERSION()\nSET @master_binlog_checksum='NONE'\nSET @mariadb_slave_capability=4", false, plain(nonBlock|wire.DumpHeartbeatV2, "")},
	{"mysql-binlog-connector-java", `show global variables like 'gtid_purged'
		show global variables like 'binlog_checksum'
		set @master_binlog_checksum= @@global.binlog_checksum
		select @@server_id
		set @master_heartbeat_period=48000000000
		set net_write_timeout=600`, false, auto(0, "")},
	{"Canal", `show variables like 'server_id'
		show variables like 'binlog_format'
		show variables like 'binlog_row_image'
		set wait_timeout=9999999
		set net_write_timeout=7200
		set net_read_timeout=7200
		set names 'binary'
		set @master_binlog_checksum= @@global.binlog_checksum
		set @slave_uuid=uuid()
		SET @mariadb_slave_capability='4'
		SET @master_heartbeat_period=15000000000
		select @@global.binlog_checksum`, true, plain(wire.DumpHeartbeatV2, "")},
	{"go-mysql", `SHOW GLOBAL VARIABLES LIKE 'BINLOG_CHECKSUM'
		SET @master_binlog_checksum='NONE', @source_binlog_checksum='NONE'
		SET @master_heartbeat_period=30000000000;
		SET @slave_uuid = '%[1]s', @replica_uuid = '%[1]s'`, true, auto(0, "")},
	{"python-mysql-replication, file", python, true, plain(0, "")},
	{"python-mysql-replication, GTID", python, false, auto(wire.DumpThroughGTID, "\x00\x00\x00")},
	{"zongji", "select @@GLOBAL.binlog_checksum as checksum\nset @master_binlog_checksum=@@global.binlog_checksum", false, plain(0, "\x00")},
	{"mysql_async", "SELECT @@max_allowed_packet,@@wait_timeout\nSET @master_binlog_checksum='ALL'", true, auto(wire.DumpThroughGTID, "")},
}

func transcripts() (all []script) {
	for i, c := range captured {
		all = append(all, script{name: "2 " + c.client, deviates: noWarnings, run: func(p *peer) error { return c.replay(p, uint32(970+i)) }})
	}
	return all
}

func (c transcript) replay(p *peer, serverID uint32) error {
	end, err := p.newest()
	if err != nil {
		return err
	}
	l, err := p.login(nil)
	if err != nil {
		return err
	}
	uuid := fmt.Sprintf("00000000-0000-0000-0000-%012d", serverID)
	for text := range strings.Lines(c.statements) {
		text = strings.TrimSpace(text)
		if strings.Contains(text, "%") {
			text = fmt.Sprintf(text, uuid)
		}
		if err := l.statement(text, strings.Contains(text, "UNIX_TIMESTAMP")); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	if c.register {
		r := wire.RegisterReplica{ServerID: serverID, Host: "replica", Port: 3306}
		if err := l.ask(r.Append(nil)); err != nil {
			return err
		}
	}
	command := c.dump(serverID, end)
	if command[0] == byte(wire.ComBinlogDump) && command[5]&byte(nonBlock) != 0 {
		return errors.Join(sendCommand(l.nc, command), l.ended())
	}
	return l.dump(command, end)
}
