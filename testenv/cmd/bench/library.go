package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-mysql-org/go-mysql/mysql"
	gomysql "github.com/go-mysql-org/go-mysql/replication"
	gomysqlserver "github.com/go-mysql-org/go-mysql/server"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// library is a process in which go-mysql's server sends a file.
type library struct {
	server
	cmd *exec.Cmd
}

func (b *bencher) startLibrary(ctx context.Context, s *source) (*library, error) {
	cmd := exec.CommandContext(ctx, b.binary, "library", filepath.Join(s.dir, fileName))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	l := &library{cmd: cmd}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("go-mysql's server does not tell its address: %w", err), l.close())
	}
	l.server = server{addr: strings.TrimSpace(addr), pid: cmd.Process.Pid}
	return l, nil
}

func (l *library) close() error {
	if err := l.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = l.cmd.Wait() // tells that it was killed
	return nil
}

// serveLibrary is the process under measurement: it prints its address and sends the
// file to whoever asks for a dump.
func serveLibrary(ctx context.Context, out io.Writer, path string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	library := gomysqlserver.NewDefaultServer()
	fmt.Fprintln(out, listener.Addr())
	for {
		nc, err := listener.Accept()
		if err != nil {
			return ctx.Err()
		}
		go func() {
			if err := serveOne(library, nc, path); err != nil {
				fmt.Fprintln(os.Stderr, "go-mysql's server:", err)
			}
		}()
	}
}

// serveOne answers until the client has gone, or for ever if that has the whole file by
// then: the library waits for another event, not for the client.
func serveOne(library *gomysqlserver.Server, nc net.Conn, path string) error {
	defer nc.Close()
	sender := &fileSender{path: path, gone: make(chan struct{})}
	defer close(sender.gone)
	conn, err := library.NewConn(nc, testenv.ReplicationUser, testenv.ReplicationPassword, sender)
	if err != nil {
		return err
	}
	for conn.HandleCommand() == nil {
	}
	return nil
}

// fileSender answers OK to each statement, and a dump with all events of a file.
type fileSender struct {
	gomysqlserver.EmptyReplicationHandler
	path string
	gone chan struct{} // closed when the client has gone
}

func (*fileSender) HandleQuery(string) (*mysql.Result, error) { return nil, nil }

func (f *fileSender) HandleBinlogDump(mysql.Position) (*gomysql.BinlogStreamer, error) {
	streamer := gomysql.NewBinlogStreamer()
	parser := gomysql.NewBinlogParser()
	parser.SetRawMode(true)
	go func() {
		<-f.gone
		streamer.AddErrorToStreamer(net.ErrClosed)
	}()
	go func() {
		if err := parser.ParseFile(f.path, 0, streamer.AddEventToStreamer); err != nil {
			streamer.AddErrorToStreamer(err)
		}
	}()
	return streamer, nil
}
