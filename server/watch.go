package server

import (
	"bufio"
	"errors"
	"io"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

var errQuit = errors.New("COM_QUIT")

// watchClient reads what a client sends while it gets a dump, and returns why
// there is no more of it: COM_QUIT, the end of the connection, or its read
// deadline. Everything else (COM_PING of Java clients, acknowledgements) is
// discarded, as mysqld leaves it unread: an answer would break the stream.
func watchClient(r io.Reader) error {
	in := bufio.NewReaderSize(r, 512)
	var header [wire.HeaderLen]byte
	for {
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return err
		}
		length := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
		if length == 1 {
			command, err := in.ReadByte()
			if err != nil {
				return err
			}
			if wire.Command(command) == wire.ComQuit {
				return errQuit
			}
			continue
		}
		if _, err := in.Discard(length); err != nil {
			return err
		}
	}
}
