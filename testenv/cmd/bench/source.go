package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/bench"
)

// The file that a source serves, and the one that mysqld then begins by itself.
const (
	fileName = "binlog.000001"
	nextName = "binlog.000002"
)

// there is where a server sees the directory that it shares with this machine, and
// thereInMemory where a source sees the one for what is received from it.
const (
	there         = "/bench"
	thereInMemory = "/received"
)

// kind is what a source's file consists of.
type kind struct {
	name       string
	rows       int // of the transaction that is repeated
	valueBytes int
	size       int64
}

// source is a mysqld that serves a composed file from its own binlog index.
type source struct {
	kind
	server *testenv.MySQL
	dir    string // shared with the server
	memory string // shared too, for what mysqlbinlog receives
	file   bench.Composed
}

// startSource starts a mysqld, lets it write one transaction of the kind, composes a
// file of that and puts it into the server's index.
func startSource(ctx context.Context, disk, memory string, k kind) (*source, error) {
	s, err := startServer(ctx, disk, memory, k)
	if err != nil {
		return nil, err
	}
	if err := s.compose(ctx); err != nil {
		return nil, errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// startServer starts the mysqld alone. Its files lie below disk; what mysqlbinlog receives
// goes below memory.
func startServer(ctx context.Context, disk, memory string, k kind) (_ *source, err error) {
	s := &source{kind: k, dir: filepath.Join(disk, "source-"+k.name), memory: filepath.Join(memory, "received-"+k.name)}
	if err := errors.Join(makeOpenDir(s.dir), makeOpenDir(s.memory)); err != nil {
		return nil, err
	}
	s.server, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{
		Name: "source of " + k.name + " events", Binds: []string{s.dir + ":" + there, s.memory + ":" + thereInMemory},
		Args: []string{"--log-bin=" + there + "/binlog", "--max-binlog-size=1G", "--max-connections=2000", "--max-allowed-packet=1G"},
	})
	return s, err
}

// makeOpenDir makes a directory that the user of a server in a container can write to.
func makeOpenDir(dir string) error {
	return errors.Join(os.MkdirAll(dir, 0o777), os.Chmod(dir, 0o777))
}

func (s *source) compose(ctx context.Context) error {
	template, err := s.template(ctx)
	if err != nil {
		return err
	}
	return s.hold(ctx, func(path string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		s.file, err = template.Compose(f, s.size, nextName)
		return err
	})
}

// hold lets the server hold one file, which write makes, instead of its own.
func (s *source) hold(ctx context.Context, write func(path string) error) error {
	if err := s.server.Stop(ctx); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(s.dir, "binlog.0*"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	path := filepath.Join(s.dir, fileName)
	if err := write(path); err != nil {
		return err
	}
	index := filepath.Join(s.dir, "binlog.index")
	if err := errors.Join(os.Chmod(path, 0o666), os.WriteFile(index, []byte(there+"/"+fileName+"\n"), 0o666)); err != nil {
		return err
	}
	return s.server.Start(ctx)
}

// template is the first file that the server wrote, with one transaction of the kind at its end.
func (s *source) template(ctx context.Context) (*bench.Template, error) {
	value := strings.Repeat("v", s.valueBytes)
	rows := strings.Repeat(fmt.Sprintf(", (NULL, '%s')", value), s.rows)[2:]
	for _, statement := range []string{
		"CREATE DATABASE bench",
		"CREATE TABLE bench.t (id BIGINT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)",
		"INSERT INTO bench.t VALUES " + rows,
		"FLUSH BINARY LOGS",
	} {
		if _, err := s.server.DB().ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("%.40q: %w", statement, err)
		}
	}
	var first bytes.Buffer
	if err := s.server.ReadFile(ctx, there+"/"+fileName, &first); err != nil {
		return nil, err
	}
	return bench.NewTemplate(first.Bytes())
}

// gib is the file's size.
func (s *source) gib() float64 { return float64(s.file.Size) / (1 << 30) }

func (s *source) close(ctx context.Context) error {
	return errors.Join(s.server.Terminate(ctx), os.RemoveAll(s.dir), os.RemoveAll(s.memory))
}
