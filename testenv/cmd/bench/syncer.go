package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	gomysql "github.com/go-mysql-org/go-mysql/replication"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// syncOnce is the process under measurement: go-mysql's BinlogSyncer in its fastest
// mode, which hands over the events undecoded and keeps nothing.
func syncOnce(ctx context.Context, out io.Writer, addr string) error {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return err
	}
	ended := make(chan received, 1)
	cpu, start := ownCPU(), time.Now()
	syncer := gomysql.NewBinlogSyncer(gomysql.BinlogSyncerConfig{
		ServerID: 4_000_002, Flavor: mysql.MySQLFlavor, Host: host, Port: uint16(port),
		User: testenv.ReplicationUser, Password: testenv.ReplicationPassword, RawModeEnabled: true,
		Logger: slog.New(slog.DiscardHandler),
		SynchronousEventHandler: handlerFunc(func(e *gomysql.BinlogEvent) error {
			if e.Header.EventType == gomysql.ROTATE_EVENT && e.Header.LogPos != 0 { // the stored one: the file's last event
				ended <- received{Seconds: time.Since(start).Seconds(), CPUSeconds: (ownCPU() - cpu).Seconds()}
				return errors.New("the file was received")
			}
			return nil
		}),
	})
	defer syncer.Close()
	if _, err := syncer.StartSync(mysql.Position{Name: fileName, Pos: 4}); err != nil {
		return err
	}
	select {
	case r := <-ended:
		return json.NewEncoder(out).Encode(r)
	case <-ctx.Done():
		return ctx.Err()
	}
}

type handlerFunc func(*gomysql.BinlogEvent) error

func (f handlerFunc) HandleEvent(e *gomysql.BinlogEvent) error { return f(e) }
