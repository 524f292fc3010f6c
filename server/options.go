package server

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"time"
)

// Defaults and limits of Options.
const (
	DefaultMaxConnections = 1024
	DefaultMaxPending     = 512
	DefaultLoginTimeout   = 10 * time.Second
	DefaultWaitTimeout    = 8 * time.Hour // mysqld's wait_timeout
	DefaultWriteTimeout   = time.Minute   // mysqld's net_write_timeout
)

// Options say what a Server serves. Upstream, Log and Accounts are needed.
type Options struct {
	Upstream Upstream
	Log      Log
	Accounts *Accounts
	TLS      *TLS // nil: not offered

	MaxConnections int           // logged-in connections; more get error 1040. 0 = 1024
	MaxPending     int           // connections before their login; one more ends another. 0 = 512
	LoginTimeout   time.Duration // from accept to the end of the login. 0 = 10 s
	WaitTimeout    time.Duration // @@wait_timeout: between two commands. 0 = 8 h
	WriteTimeout   time.Duration // @@net_write_timeout: without any progress of a write. 0 = 60 s

	// NativeFirst greets with mysql_native_password, for clients that refuse any
	// other greeting (ClickHouse). Accounts work with either.
	NativeFirst bool

	Logger *slog.Logger     // nil = discard
	Now    func() time.Time // nil = time.Now
	Rand   io.Reader        // for nonces and UUID(); nil = crypto/rand.Reader
}

func (o Options) withDefaults() (Options, error) {
	var err error
	if o.Upstream == nil || o.Log == nil || o.Accounts == nil {
		err = errors.New("server: Upstream, Log and Accounts are needed")
	}
	setDefault(&o.MaxConnections, DefaultMaxConnections)
	setDefault(&o.MaxPending, DefaultMaxPending)
	setDefault(&o.LoginTimeout, DefaultLoginTimeout)
	setDefault(&o.WaitTimeout, DefaultWaitTimeout)
	setDefault(&o.WriteTimeout, DefaultWriteTimeout)
	setDefault(&o.Logger, slog.New(slog.DiscardHandler))
	setDefault(&o.Rand, rand.Reader)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, err
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}
