package wire

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/client"
	gomysqlerr "github.com/go-mysql-org/go-mysql/mysql"
	driver "github.com/go-sql-driver/mysql"
)

// oracleClients log in with implementations that are not ours.
var oracleClients = map[string]func(network, addr, user, password, db string) error{
	"go-sql-driver": func(network, addr, user, password, db string) error {
		cfg := driver.NewConfig()
		cfg.Net, cfg.Addr, cfg.User, cfg.Passwd, cfg.DBName = network, addr, user, password, db
		cfg.Timeout, cfg.ReadTimeout = 10*time.Second, 10*time.Second
		cfg.ConnectionAttributes = "program_name:wire-test"
		cfg.Logger = &driver.NopLogger{}
		connector, err := driver.NewConnector(cfg)
		if err != nil {
			return err
		}
		pool := sql.OpenDB(connector)
		defer pool.Close()
		return pool.PingContext(context.Background())
	},
	"go-mysql": func(_, addr, user, password, db string) error {
		c, err := gomysql.Connect(addr, user, password, db, func(c *gomysql.Conn) error {
			c.SetAttributes(map[string]string{"program_name": "wire-test"})
			return nil
		})
		if err != nil {
			return err
		}
		return errors.Join(c.Ping(), c.Quit())
	},
}

func hasPayload(payloads [][]byte, prefix string) bool {
	return slices.ContainsFunc(payloads, func(p []byte) bool { return strings.HasPrefix(string(p), prefix) })
}

func errorNumber(err error) uint16 {
	if e, ok := errors.AsType[*driver.MySQLError](err); ok {
		return e.Number
	}
	if e, ok := errors.AsType[*gomysqlerr.MyError](err); ok {
		return e.Code
	}
	return 0
}

func TestRealClientsLogIn(t *testing.T) {
	tests := []struct {
		name     string
		options  serverOptions
		user     string
		password string
		refused  string // "using password" of the refusal; "" for success
		want     string // the beginning of a payload that the server sent
		wantNot  string // and of one that it did not send
	}{
		{name: "fast path", user: "caching", password: "secret", want: "\x01\x03", wantNot: "\x01\x04"},
		{name: "fast path over a unix socket", options: serverOptions{network: "unix", secure: true}, user: "caching", password: "secret", want: "\x01\x03"},
		{name: "full, password by RSA", options: serverOptions{damage: true}, user: "caching", password: "secret", want: "\x01-----BEGIN PUBLIC KEY-----\n"},
		{name: "full, password in the clear", options: serverOptions{network: "unix", secure: true, damage: true}, user: "caching", password: "secret", want: "\x01\x04", wantNot: "\x01-"},
		{name: "full by RSA, wrong password", options: serverOptions{damage: true}, user: "caching", password: "wrong", refused: "YES"},
		{name: "switch to native", user: "native", password: "secret", want: "\xfemysql_native_password\x00", wantNot: "\x01\x03"},
		{name: "native at once", options: serverOptions{plugin: NativePassword}, user: "both", password: "secret", wantNot: "\xfe"},
		{name: "switch to caching_sha2", options: serverOptions{plugin: NativePassword}, user: "caching", password: "secret", want: "\xfecaching_sha2_password\x00"},
		{name: "empty password", user: "empty", wantNot: "\x01\x03"},
		{name: "empty password, native", options: serverOptions{plugin: NativePassword}, user: "empty"},
		{name: "wrong password", user: "both", password: "wrong", refused: "YES"},
		{name: "wrong password in the clear", options: serverOptions{network: "unix", secure: true}, user: "both", password: "wrong", refused: "YES"},
		{name: "wrong password, native", user: "native", password: "wrong", refused: "YES"},
		{name: "no password", user: "both", refused: "NO"},
		{name: "no password, native", user: "native", refused: "NO"},
		{name: "password for an empty one", user: "empty", password: "secret", refused: "YES"},
		{name: "unknown user", user: "nobody", password: "secret", refused: "YES"},
		{name: "unknown user, no password", user: "nobody", refused: "NO"},
		{name: "unknown user, native", options: serverOptions{plugin: NativePassword}, user: "nobody", password: "secret", refused: "YES"},
		{name: "account without verifiers", user: "locked", password: "secret", refused: "YES"},
		{name: "account without verifiers, no password", user: "locked", refused: "NO"},
	}
	for _, tt := range tests {
		if tt.options.network == "" {
			tt.options.network = "tcp"
		}
		if tt.options.plugin == "" {
			tt.options.plugin = CachingSHA2Password
		}
		for client, login := range oracleClients {
			t.Run(tt.name+"/"+client, func(t *testing.T) {
				s := startServer(t, tt.options)
				err := login(tt.options.network, s.addr, tt.user, tt.password, "some_db")
				got := s.last(t)
				sent := splitPackets(t, got.sent)
				if !hasPayload(sent, tt.want) || tt.wantNot != "" && hasPayload(sent, tt.wantNot) {
					t.Errorf("server sent %q, want %q among them and not %q", sent, tt.want, tt.wantNot)
				}
				if tt.refused != "" {
					text := fmt.Sprintf("Access denied for user '%s'@'localhost' (using password: %s)", tt.user, tt.refused)
					if n := errorNumber(err); n != ERAccessDenied || !strings.Contains(err.Error(), text) {
						t.Errorf("client got %v, want %d with %q", err, ERAccessDenied, text)
					}
					if e, ok := errors.AsType[*Error](got.err); !ok || e.Number != ERAccessDenied || got.auth != nil {
						t.Errorf("server returned %v, %v", got.auth, got.err)
					}
					return
				}
				if err != nil {
					t.Fatalf("client: %v (server: %v)", err, got.err)
				}
				a := got.auth
				if a.User != tt.user || a.Database != "some_db" || a.Attributes.Get("program_name") != "wire-test" {
					t.Errorf("authenticated %+v", a)
				}
				if !a.Capabilities.Has(CapConnectAttrs|CapPluginAuth|CapConnectWithDB) || a.Capabilities&^testCapabilities != 0 {
					t.Errorf("capabilities %#x", a.Capabilities)
				}
			})
		}
	}
}
