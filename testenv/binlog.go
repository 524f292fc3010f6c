package testenv

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// BinlogFile is a row of SHOW BINARY LOGS. Size is in bytes, of an encrypted file without its header, which
// is never sent; that of the last file grows.
type BinlogFile struct {
	Name string
	Size int64
}

// BinlogFiles lists the server's binlog files, oldest first.
func (m *MySQL) BinlogFiles(ctx context.Context) ([]BinlogFile, error) {
	rows, err := m.queryRows(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	files := make([]BinlogFile, len(rows))
	for i, row := range rows {
		size, err := strconv.ParseInt(row["File_size"], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("SHOW BINARY LOGS on %s: size of %s: %w", m.options.Name, row["Log_name"], err)
		}
		if row["Encrypted"] == "Yes" {
			size -= 512
		}
		files[i] = BinlogFile{Name: row["Log_name"], Size: size}
	}
	return files, nil
}

// ReadBinlog copies the server's own file, byte for byte, from a server that runs or is down. Of the
// file being written it copies a prefix as long as the file was at the beginning, which may end
// within an event.
func (m *MySQL) ReadBinlog(ctx context.Context, name string, w io.Writer) error {
	return m.ReadFile(ctx, BinlogPath(name), w)
}

// BinlogPath is where the tools in the server's container find a binlog file, while log_bin is left as
// it is.
func BinlogPath(name string) string { return dataDir + "/" + name }

// PlaceBinlogs makes files of this machine the binlog of a server that is down, in
// this order and under the last part of their paths. When it starts it begins a
// file of its own behind them. It takes them for old, and purges them at once unless
// it has --binlog-expire-logs-seconds=0.
func (m *MySQL) PlaceBinlogs(ctx context.Context, paths ...string) error {
	return m.explain("placing binlogs in", m.placeBinlogs(ctx, paths))
}

func (m *MySQL) placeBinlogs(ctx context.Context, paths []string) error {
	var index strings.Builder
	for _, path := range paths {
		name := filepath.Base(path)
		if err := m.container.writeFile(ctx, path, BinlogPath(name)); err != nil {
			return err
		}
		fmt.Fprintf(&index, "./%s\n", name)
	}
	dir, err := os.MkdirTemp("", "binlogproxy-index-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	list := filepath.Join(dir, "binlog.index")
	if err := os.WriteFile(list, []byte(index.String()), 0o600); err != nil {
		return err
	}
	return m.container.writeFile(ctx, list, BinlogPath("binlog.index"))
}
