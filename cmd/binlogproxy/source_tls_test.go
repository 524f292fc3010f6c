package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
	"github.com/binlogproxy/binlogproxy/testenv/certs"
	"github.com/binlogproxy/binlogproxy/testenv/faultproxy"
	"github.com/binlogproxy/binlogproxy/testenv/workload"
)

func TestASourceIsFollowedByTLSOrNotAtAll(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	authority, other := certs.New(t, "authority"), certs.New(t, "another")
	cert, key := authority.Issue("primary", "127.0.0.1")
	if err := primary.UseCertificate(t.Context(), authority.CA, cert, key); err != nil {
		t.Fatal(err)
	}
	execute(t, primary, "ALTER USER "+testenv.ReplicationUser+" REQUIRE X509")
	ours, oursKey := authority.Issue("binlogproxy")
	certified := []string{"--heartbeat=2s", "--ssl-cert=" + ours, "--ssl-key=" + oursKey}

	t.Run("certificates on both sides", func(t *testing.T) {
		d := startDaemon(t, primary.Addr(), append(certified, "--ssl-ca="+authority.CA)...) // verify_identity by that
		load(t, primary, 20, workload.Options{})
		caughtUpIn(t, d.SourceDir(), d, primary)
		eventually(t, "TLS for the stream and for the questions beside it", func() (bool, string) {
			var secure, all int
			err := primary.DB().QueryRowContext(t.Context(), `SELECT SUM(CONNECTION_TYPE = 'SSL/TLS'), COUNT(*) FROM performance_schema.threads
				WHERE PROCESSLIST_USER = ?`, testenv.ReplicationUser).Scan(&secure, &all)
			return err == nil && secure == all && all >= 2, fmt.Sprint(secure, all, err)
		})
		var name, version, cipher string
		for _, shown := range []struct {
			variable string
			value    *string
		}{{"Ssl_version", &version}, {"Ssl_cipher", &cipher}} {
			err := primary.DB().QueryRowContext(t.Context(), `SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.status_by_thread
				JOIN performance_schema.threads USING (THREAD_ID) WHERE PROCESSLIST_USER = ? AND VARIABLE_NAME = ? LIMIT 1`,
				testenv.ReplicationUser, shown.variable).Scan(&name, shown.value)
			if err != nil {
				t.Fatal(err)
			}
		}
		want := strings.Replace(version, "TLSv", "TLS ", 1) + " " + cipher
		if st, err := status(t, d); err != nil || st.Sources[0].Server.TLS != want {
			t.Errorf("status shows %q, the source %q, %v", st.Sources[0].Server.TLS, want, err)
		}
		if _, out, _ := command("status", "--http="+d.HTTP()); !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	})
	t.Run("no certificate of ours", func(t *testing.T) {
		exitsWith(t, newDaemon(t, primary.Addr(), "--ssl-mode=required"), exitUnreachable, "Access denied")
	})
	t.Run("another authority", func(t *testing.T) {
		exitsWith(t, newDaemon(t, primary.Addr(), append(certified, "--ssl-mode=verify_ca", "--ssl-ca="+other.CA)...), exitUnreachable, "not trusted", other.CA)
	})
	t.Run("another name", func(t *testing.T) {
		exitsWith(t, newDaemon(t, primary.Addr(), append(certified, "--ssl-ca="+authority.CA, "--ssl-server-name=db.example")...), exitUnreachable, "db.example", "127.0.0.1")
	})
	t.Run("stripped on the way", func(t *testing.T) {
		proxy, err := faultproxy.Start(primary.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		proxy.Set(faultproxy.ToClient, faultproxy.Faults{StripTLS: true})
		exitsWith(t, newDaemon(t, proxy.Addr(), append(certified, "--ssl-mode=required")...), exitUnreachable, "offers no TLS")
	})
	t.Run("a file that is not there", func(t *testing.T) {
		exitsWith(t, newDaemon(t, primary.Addr(), "--ssl-ca=/no/such/ca.pem"), exitUsage, "/no/such/ca.pem")
	})
}
