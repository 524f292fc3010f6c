package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/binlogproxy/binlogproxy/internal/wire"
	"github.com/binlogproxy/binlogproxy/replication"
	"github.com/binlogproxy/binlogproxy/testenv"
)

const patience = 30 * time.Second // for a login

// logIn connects as the replication user, by the fast path, and asks one statement.
func logIn(ctx context.Context, addr string) (net.Conn, *wire.Conn, error) {
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	c := wire.NewConn(nc)
	err = errors.Join(nc.SetDeadline(time.Now().Add(patience)), greet(c), execute(c, "SET @source_binlog_checksum = 'CRC32'"), nc.SetDeadline(time.Time{}))
	if err != nil {
		return nil, nil, errors.Join(err, nc.Close())
	}
	return nc, c, nil
}

func greet(c *wire.Conn) error {
	payload, err := c.ReadPacket(1 << 16)
	if err != nil {
		return err
	}
	greeting, err := wire.DecodeGreeting(payload)
	if err != nil {
		return err
	}
	response := wire.HandshakeResponse{
		Capabilities: wire.CapProtocol41 | wire.CapSecureConnection | wire.CapPluginAuth, Collation: 45, User: testenv.ReplicationUser,
		Plugin: wire.CachingSHA2Password, AuthData: wire.CachingSHA2Response([]byte(testenv.ReplicationPassword), greeting.Nonce),
	}
	if err := errors.Join(c.WritePacket(response.Append(nil)), c.Flush()); err != nil {
		return err
	}
	for _, first := range []byte{1, 0} { // fast path, OK
		if payload, err = c.ReadPacket(1 << 16); err != nil {
			return err
		}
		if len(payload) == 0 || payload[0] != first {
			return fmt.Errorf("the login was answered with % x", payload)
		}
	}
	return nil
}

func execute(c *wire.Conn, statement string) error {
	c.ResetSequence()
	if err := errors.Join(c.WritePacket(append([]byte{byte(wire.ComQuery)}, statement...)), c.Flush()); err != nil {
		return err
	}
	payload, err := c.ReadPacket(1 << 16)
	if err == nil && wire.IsError(payload) {
		err = fmt.Errorf("%s: %q", statement, payload)
	}
	return err
}

// dump begins a dump by file and position.
func dump(ctx context.Context, addr string, serverID uint32, at replication.Position) (net.Conn, error) {
	nc, c, err := logIn(ctx, addr)
	if err != nil {
		return nil, err
	}
	c.ResetSequence()
	command := wire.BinlogDump{Position: uint32(at.Offset), ServerID: serverID, File: at.File}
	if err := errors.Join(c.WritePacket(command.Append(nil)), c.Flush()); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return nc, nil
}

// follow reads a dump and tells of each transaction's end. The connection ends with ctx.
func follow(ctx context.Context, nc net.Conn, committed func()) error {
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	in := bufio.NewReaderSize(nc, 64<<10)
	var packet [wire.HeaderLen + 1 + replication.HeaderSize]byte
	for {
		if _, err := io.ReadFull(in, packet[:wire.HeaderLen+1]); err != nil {
			return err
		}
		length := int(packet[0]) | int(packet[1])<<8 | int(packet[2])<<16
		if packet[wire.HeaderLen] != 0 {
			return fmt.Errorf("the dump ends with packet %#x", packet[wire.HeaderLen])
		}
		if _, err := io.ReadFull(in, packet[wire.HeaderLen+1:]); err != nil {
			return err
		}
		h, err := replication.ParseHeader(packet[wire.HeaderLen+1:])
		if err != nil {
			return err
		}
		if h.Type == replication.XIDEvent {
			committed()
		}
		if _, err := in.Discard(length - 1 - replication.HeaderSize); err != nil {
			return err
		}
	}
}
