package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/certs"
	"github.com/binlogproxy/binlogproxy/testenv/child"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

// A replica as it is set up by default, one that verifies the server and shows a
// certificate, and mysqlbinlog that verifies the server's name.
func TestClientsOfMySQLReplicateOverTLS(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	replica := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "replica", Args: []string{"--read-only=ON"}})
	authority := certs.New(t, "authority")
	cert, key := authority.Issue("server", "127.0.0.1")
	clientCert, clientKey := authority.Issue("replica")
	inContainer := map[string]string{}
	for name, path := range map[string]string{"ca": authority.CA, "cert": clientCert, "key": clientKey} {
		inContainer[name] = "/tmp/" + name + ".pem"
		if err := replica.WriteFile(t.Context(), path, inContainer[name]); err != nil {
			t.Fatal(err)
		}
	}
	files := []string{"--listen-tls-cert-file=" + cert, "--listen-tls-key-file=" + key}
	optional := startDaemon(t, primary.Addr(), append(files, "--listen-tls=optional", "--server-id=4301")...)
	mutual := startDaemon(t, primary.Addr(), append(files, "--listen-tls=verify-client", "--listen-tls-client-ca-file="+authority.CA, "--server-id=4302")...)
	load(t, primary, 60, workload.Options{BigEvery: 30, BigBytes: 17 << 20})

	for _, c := range []struct {
		name    string
		daemon  *child.Daemon
		options string
	}{
		{"as by default", optional, ""},
		{"verifying, with a certificate", mutual, fmt.Sprintf(", SOURCE_SSL = 1, SOURCE_SSL_VERIFY_SERVER_CERT = 1, SOURCE_SSL_CA = '%s', SOURCE_SSL_CERT = '%s', SOURCE_SSL_KEY = '%s'",
			inContainer["ca"], inContainer["cert"], inContainer["key"])},
	} {
		host, port := c.daemon.Endpoint()
		execute(t, replica, "STOP REPLICA", fmt.Sprintf(
			"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = %d, SOURCE_USER = '%s', SOURCE_PASSWORD = '%s', SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1%s",
			host, port, testenv.ReplicationUser, testenv.ReplicationPassword, c.options), "START REPLICA")
		load(t, primary, 20, workload.Options{})
		inStep(t, primary, replica)
		healthy(t, replica)
		st, err := status(t, c.daemon)
		if err != nil || len(st.Sources[0].Downstream) != 1 || !st.Sources[0].Downstream[0].TLS {
			t.Errorf("%s: %+v, %v", c.name, st.Sources[0].Downstream, err)
		}
		if _, out, _ := command("status", "--http="+c.daemon.HTTP()); !strings.Contains(out, " with TLS, server_id ") {
			t.Errorf("%s:\n%s", c.name, out)
		}
	}
	fetchVerifying := func(ca string) (errs string, exit int) {
		host, port := optional.Endpoint()
		_, errs, exit, err := replica.Exec(t.Context(), "mysqlbinlog", "--no-defaults", "--read-from-remote-server", "--raw", "--to-last-log",
			"--result-file=/tmp/tls-", "--host="+host, fmt.Sprint("--port=", port), "--user="+testenv.ReplicationUser, "--password="+testenv.ReplicationPassword,
			"--ssl-mode=VERIFY_IDENTITY", "--ssl-ca="+ca, "binlog.000001")
		if err != nil {
			t.Fatal(err)
		}
		return errs, exit
	}
	if errs, exit := fetchVerifying(inContainer["ca"]); exit != 0 {
		t.Errorf("mysqlbinlog: exit %d, %s", exit, errs)
	}
	if err := replica.WriteFile(t.Context(), certs.New(t, "another").CA, "/tmp/another.pem"); err != nil {
		t.Fatal(err)
	}
	if errs, exit := fetchVerifying("/tmp/another.pem"); exit == 0 || !strings.Contains(errs, "certificate verify failed") {
		t.Errorf("mysqlbinlog with another authority: exit %d, %s", exit, errs)
	}
}

func TestListenTLSFilesThatCannotBeUsedEndRunAtOnce(t *testing.T) {
	authority := certs.New(t, "authority")
	cert, key := authority.Issue("server", "127.0.0.1")
	_, foreign := authority.Issue("other", "127.0.0.1")
	t.Setenv(listenPasswordVariable, "l")
	full := []string{"run", "--data-dir=" + t.TempDir(), "--source=127.0.0.1:1", "--user=u", "--server-id=1", "--listen-user=r", "--http-listen=off"}
	for _, tt := range []struct {
		args  []string
		words []string
	}{
		{[]string{"--listen-tls=required"}, []string{"listen-tls.cert-file: must be given", "listen-tls.key-file: must be given"}},
		{[]string{"--listen-tls=yes"}, []string{`listen-tls.mode: "yes" is not one of`}},
		{[]string{"--listen-tls-cert-file=" + cert, "--listen-tls-key-file=" + foreign}, []string{cert, foreign, "private key does not match"}},
		{[]string{"--listen-tls-cert-file=" + cert, "--listen-tls-key-file=/no/such/key"}, []string{"listen-tls", "/no/such/key"}},
		{[]string{"--listen-tls-cert-file=" + cert, "--listen-tls-key-file=" + key, "--listen-tls=verify-client", "--listen-tls-client-ca-file=" + os.DevNull},
			[]string{os.DevNull, "no certificate"}},
	} {
		code, _, errs := command(append(full, tt.args...)...)
		if code != exitUsage {
			t.Errorf("%q: exit code %d", tt.args, code)
		}
		for _, word := range tt.words {
			if !strings.Contains(errs, word) {
				t.Errorf("%q: %q does not mention %q", tt.args, errs, word)
			}
		}
	}
}
