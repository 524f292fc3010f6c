package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
	"github.com/binlogproxy/binlogproxy/testenv/proof"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// pair is a primary that the daemon follows and a replica that follows the daemon,
// both by TLS and through a fault proxy.
type pair struct {
	name             string // of the source in the daemon's configuration
	dir              string // of its log
	serverID         int    // the daemon's, there
	heartbeat        int    // seconds, 1 or 2
	primary, replica *testenv.MySQL
	upstream         *faultproxy.Proxy // between the primary and the daemon
	downstream       *faultproxy.Proxy // between the daemon and the replica
	listen           string            // where the daemon serves
	release          func()            // gives that port back
	ca, cert, key    string            // files: the primary's authority, and the daemon's own certificate
	load             *workload.Load
	rotations        int

	inspector *inspector // of its part of the bucket; nil without one
	told      told
}

// open starts the servers and the links. Files go to dir.
func (p *pair) open(ctx context.Context, dir string) (err error) {
	p.primary, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "primary " + p.name, Args: []string{"--max-binlog-size=4M", "--max-connections=300", "--binlog-cache-size=4M", "--innodb-flush-log-at-trx-commit=2"}})
	if err != nil {
		return err
	}
	p.replica, err = testenv.StartMySQL(ctx, testenv.MySQLOptions{Name: "replica " + p.name, Args: []string{"--read-only=ON", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0"}})
	if err != nil {
		return err
	}
	for name, file := range map[string]*string{"ca.pem": &p.ca, "server-cert.pem": &p.cert, "server-key.pem": &p.key} {
		*file = filepath.Join(dir, p.name+"-"+name)
		if err := p.copyFile(ctx, name, *file); err != nil {
			return err
		}
	}
	if p.upstream, err = faultproxy.Start(p.primary.Addr()); err != nil {
		return err
	}
	var port int
	if port, p.release, err = testenv.ReservePort(); err != nil {
		return err
	}
	p.listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.downstream, err = faultproxy.Start(p.listen)
	return err
}

// copyFile copies a file that the primary made for itself beside its authority.
func (p *pair) copyFile(ctx context.Context, name, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(p.primary.ReadFile(ctx, path.Join(path.Dir(testenv.AuthorityPath), name), f), f.Close())
}

// config is the source's entry in the daemon's configuration.
func (p *pair) config() string {
	retry := ""
	if p.inspector != nil { // a bucket that fails again and again
		retry = "    reconnect-max: 2s\n"
	}
	return fmt.Sprintf(`  - name: %s
    address: %s
    user: %s
    password-env: BINLOGPROXY_PASSWORD
    ssl-mode: verify_ca
    ssl-ca: %s
    server-id: %d
    heartbeat: %ds
    listen: %s
    listen-tls: {mode: required, cert-file: %s, key-file: %s}
    accounts: [{user: %s, password-env: BINLOGPROXY_LISTEN_PASSWORD}]
`, p.name, p.upstream.Addr(), testenv.ReplicationUser, p.ca, p.serverID, p.heartbeat, p.listen, p.cert, p.key, testenv.ReplicationUser) + retry
}

// run begins the load and the replica of the n-th pair.
func (p *pair) run(ctx context.Context, o options, n int) (err error) {
	if p.load, err = workload.Start(ctx, p.primary.DB(), workload.Options{
		Seed: o.seed + uint64(n), Workers: 3, BigEvery: min(300, 100+20*o.kills), BigBytes: o.bigBytes, Flush: 40, DDL: true, Formats: true, KeepOn: true,
	}); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(p.downstream.Addr())
	if err != nil {
		return err
	}
	spec := testenv.SourceSpec{Host: host, AutoPosition: true, HeartbeatSeconds: 1, RetryCount: 1 << 20, TLS: true}
	if spec.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	return p.replica.ReplicateFrom(ctx, spec)
}

// look counts the rotations, and cuts what no fault has cut by now.
func (p *pair) look(ctx context.Context) error {
	files, err := p.primary.BinlogFiles(ctx)
	if err != nil {
		return err
	}
	p.rotations = len(files) - 1
	for _, side := range []*faultproxy.Proxy{p.upstream, p.downstream} {
		if side.Cuts() == 0 {
			side.Cut(true)
		}
	}
	return nil
}

func (p *pair) rotated() int      { return p.rotations }
func (p *pair) transactions() int { return int(p.load.Transactions.Load()) }
func (p *pair) big() int          { return int(p.load.Big.Load()) }
func (p *pair) errors() int       { return int(p.load.Errors.Load()) }
func (p *pair) cutsBefore() int   { return p.upstream.Cuts() }
func (p *pair) cutsBehind() int   { return p.downstream.Cuts() }

// catalog counts the files that were begun and those that were sealed. There is none while
// the directory is made from the bucket.
func (p *pair) catalog() (begun, sealed int, err error) {
	dir, err := proof.TimelineDir(p.dir)
	if err != nil && p.inspector != nil {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	text, err := os.ReadFile(dir + "/catalog")
	if errors.Is(err, fs.ErrNotExist) && p.inspector != nil {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	return strings.Count(string(text), `"begin":`), strings.Count(string(text), `"sealed":`), nil
}

func (p *pair) close(ctx context.Context) error {
	var errs []error
	if p.load != nil {
		errs = append(errs, p.load.Stop())
	}
	for _, link := range []*faultproxy.Proxy{p.upstream, p.downstream} {
		if link != nil {
			link.Close()
		}
	}
	for _, m := range []*testenv.MySQL{p.primary, p.replica} {
		if m != nil {
			errs = append(errs, m.Terminate(ctx))
		}
	}
	if p.release != nil {
		p.release()
	}
	return errors.Join(errs...)
}
