package testenv

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	containertypes "github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
)

// Accounts of every server, made before its binlog begins. Both may connect from anywhere, which is
// the loopback address of this machine.
const (
	RootPassword = "testenv-root"

	ReplicationUser     = "repl" // REPLICATION SLAVE, REPLICATION CLIENT
	ReplicationPassword = "testenv-repl"
)

// MySQLOptions choose a server. The zero value is a primary as replication wants it: MySQL 9.7,
// gtid_mode ON, binlog.000001 and up, sync_binlog 1, everything else as the server has it built in.
//
// Every server runs in the network of the host, and mysqld itself binds 127.0.0.1. So a server and a
// process of this machine reach each other in both directions at 127.0.0.1 and the same port, as do
// two servers; nothing is open to the outside; a port stays the same over restarts; and no proxy of
// the engine is in between to change what a cut connection looks like. The price: the engine must
// run on this machine (Linux, or a desktop engine with host networking switched on).
type MySQLOptions struct {
	// Name is for messages. "" = "mysql".
	Name string

	// Image is pulled if it is not here. "" = DefaultImage. Any MySQL image with mysqld and bash in the
	// PATH and a user mysql will do, from version 8.0.26 on.
	Image string

	// Args are appended to mysqld's own, so that one that is already given is overruled.
	Args []string

	// Keyring loads component_keyring_file, so that binlog_encryption may be ON.
	Keyring bool

	// ServerID; 0 = the port, which is unique among the servers that run.
	ServerID uint32

	// HostPort on 127.0.0.1; 0 = a free one. It is kept as long as the server exists.
	HostPort int

	// Binds are directories of this machine that the server sees, each "here:there". mysqld runs as a
	// user of its own, to whom they must be open.
	Binds []string

	// Keep leaves the server running when this process ends. Whoever sets it ends it by hand:
	// docker rm -f -v <ContainerID>.
	Keep bool
}

// MySQL is a server in a container. Its methods may be used from several goroutines, but those that
// end and start the server only from one at a time.
type MySQL struct {
	options     MySQLOptions
	port        int
	container   *container
	db          *sql.DB
	releasePort func()
}

// StartMySQL starts a server and returns when it answers. Whoever calls it calls Terminate. Where ctx
// has no deadline, two minutes are the limit.
func StartMySQL(ctx context.Context, options MySQLOptions) (*MySQL, error) {
	if options.Name == "" {
		options.Name = "mysql"
	}
	m := &MySQL{options: options, port: options.HostPort, releasePort: func() {}}
	if err := m.create(ctx); err != nil {
		return nil, fmt.Errorf("starting %s: %w", options.Name, errors.Join(err, m.Terminate(context.WithoutCancel(ctx))))
	}
	return m, nil
}

// NewMySQL is StartMySQL for a test: the server ends with it, and if it failed by then, the end of the
// server's log is in its output.
func NewMySQL(t testing.TB, options MySQLOptions) *MySQL {
	t.Helper()
	RequireDocker(t)
	m, err := StartMySQL(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context is done by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", m.options.Name, m.LogTail(ctx))
		}
		if err := m.Terminate(ctx); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *MySQL) create(ctx context.Context) (err error) {
	docker, err := connect(ctx)
	if err != nil {
		return err
	}
	image := m.options.Image
	if image == "" {
		if image, err = DefaultImage(ctx); err != nil {
			return err
		}
	}
	template, err := ensureTemplate(ctx, docker, image)
	if err != nil {
		return err
	}
	if m.port == 0 {
		if m.port, m.releasePort, err = ReservePort(); err != nil {
			return err
		}
	}
	if m.db, err = m.OpenDB("root", RootPassword, ""); err != nil {
		return err
	}
	m.container, err = runContainer(ctx, docker, testcontainers.ContainerRequest{
		Image: template,
		// Past the image's own entry point: it would only look for a data directory to initialise.
		Entrypoint: append([]string{"mysqld"}, m.mysqldArgs()...),
		// So that mysql and mysqldump may be run in the container without a password in their arguments.
		Env:                map[string]string{"MYSQL_PWD": RootPassword},
		ConfigModifier:     func(config *containertypes.Config) { config.User = "mysql" },
		HostConfigModifier: func(config *containertypes.HostConfig) { config.Binds = m.options.Binds },
		Files:              m.keyringFiles(),
	}, !m.options.Keep)
	if err != nil {
		return err
	}
	return m.waitReady(ctx)
}

func (m *MySQL) mysqldArgs() []string {
	return append([]string{
		"--no-defaults", // images differ in their option files
		"--datadir=" + dataDir,
		"--socket=/var/run/mysqld/mysqld.sock",
		"--bind-address=127.0.0.1",
		"--port=" + strconv.Itoa(m.port),
		"--mysqlx=OFF", // its port would be the same for every server of this machine
		"--server-id=" + strconv.FormatUint(uint64(m.ServerID()), 10),
		"--gtid-mode=ON",
		"--enforce-gtid-consistency=ON",
		"--log-bin=binlog",
		"--sync-binlog=1",
		"--relay-log=relay",                  // the default begins with the host's name
		"--report-host=127.0.0.1",            // for SHOW REPLICAS at the source
		"--skip-name-resolve",                // else a connection waits for the machine's DNS
		"--secure-file-priv=",                // the built-in directory exists in one image only, and mysqld insists on it
		"--loose-innodb-numa-interleave=OFF", // not allowed in a container; Debian's mysqld complains at each start
	}, m.options.Args...)
}

// Addr is host:port, for this machine and for every other server of this package.
func (m *MySQL) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)) }

// Port on 127.0.0.1. It stays the same over Stop, Kill and Start.
func (m *MySQL) Port() int { return m.port }

// ServerID is the server's server_id.
func (m *MySQL) ServerID() uint32 {
	if m.options.ServerID != 0 {
		return m.options.ServerID
	}
	return uint32(m.port)
}

// ContainerID is for the engine's own command line.
func (m *MySQL) ContainerID() string { return m.container.id() }

// PID is the process id of mysqld, as this machine counts, while it runs.
func (m *MySQL) PID(ctx context.Context) (int, error) {
	state, err := m.container.state(ctx)
	if err != nil {
		return 0, m.explain("looking for the process of", err)
	}
	return state.Pid, nil
}
