package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/testenv"
)

func TestTheGrantsThatArePrintedAreAllThatIsNeeded(t *testing.T) {
	code, out, errs := command("grants", "--user=o'hara", "--source=127.0.0.1:3306")
	if code != exitOK {
		t.Fatal(code, errs)
	}
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	var statements []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "--") {
			statements = append(statements, strings.TrimSuffix(strings.TrimSpace(line), ";"))
		}
	}
	var user, host, password string
	var factor int
	if err := primary.DB().QueryRowContext(t.Context(), statements[0]).Scan(&user, &host, &password, &factor); err != nil {
		t.Fatalf("%s: %v", statements[0], err)
	}
	execute(t, primary, statements[1:]...)
	if user != "o'hara" || len(statements) != 3 {
		t.Errorf("%q for %s@%s", statements, user, host)
	}
	restart(t, withPassword(t, primary.Addr(), user, password))

	for _, c := range []struct{ flag, want string }{
		{"--ssl-mode=required", "REQUIRE SSL;"}, {"--ssl-cert=c", "REQUIRE X509;"}, {"--host=10.0.0.%", `'u'@'10.0.0.%'`},
	} {
		if _, out, _ := command("grants", "--user=u", "--source=127.0.0.1", c.flag); !strings.Contains(out, c.want) {
			t.Errorf("%s: %s", c.flag, out)
		}
	}
	if code, _, errs := command("grants"); code != exitUsage || !strings.Contains(errs, "--user") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

func TestConfigPrintShowsDefaultsAndNoSecrets(t *testing.T) {
	dir := t.TempDir()
	secret, file := filepath.Join(dir, "secret"), filepath.Join(dir, "c.yaml")
	text := fmt.Sprintf("data-dir: /d\nsources: [{address: db, user: u, server-id: 1, password-file: %s, accounts: [{user: r, password-env: TEST_CANARY}]}]\n", secret)
	for path, content := range map[string]string{secret: "canary-in-a-file", file: text} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TEST_CANARY", "canary-in-a-variable")
	code, out, errs := command("config", "print", "--config="+file)
	if code != exitOK || strings.Contains(out, "canary-in") || !strings.Contains(out, secret) {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	printed, err := config.Parse(strings.NewReader(out))
	if err != nil || printed.Validate() != nil || printed.Sources[0].Heartbeat != config.DefaultHeartbeat || printed.Sources[0].Address != "db:3306" {
		t.Errorf("%+v, %v", printed, err)
	}
	if code, out, errs := command("config", "check", "--config="+file); code != exitOK || !strings.Contains(out, "valid") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command("config", "check", "--config="+file); code != exitUsage || !strings.Contains(errs, secret) {
		t.Errorf("a password file that is missing: exit code %d\n%s", code, errs)
	}
	if code, _, errs := command("config", "check", "--log-level=loud"); code != exitUsage || !strings.Contains(errs, "loud") || !strings.Contains(errs, "data-dir") {
		t.Errorf("mistakes: exit code %d\n%s", code, errs)
	}
}

func TestAnUnknownFlagOrVariableIsAnsweredWithASuggestion(t *testing.T) {
	if code, _, errs := command("run", "--sourec=x"); code != exitUsage || !strings.Contains(errs, `did you mean "--source"`) {
		t.Errorf("exit code %d, %s", code, errs)
	}
	c := &config.Config{Sources: []config.Source{{Password: config.SecretRef{Env: "BINLOGPROXY_PASSWORT"}}}}
	for variable, want := range map[string]string{
		"BINLOGPROXY_SUORCE=x":                     "did you mean BINLOGPROXY_SOURCE?",
		"BINLOGPROXY_LISTEN_PASWORD=secret-canary": "did you mean BINLOGPROXY_LISTEN_PASSWORD?",
		"BINLOGPROXY_SOURCE=x":                     "",
		"BINLOGPROXY_PASSWORT=x":                   "", // the configuration names it
		"BINLOGPROXY_SERVICE_HOST=x":               "", // these are Kubernetes'
		"BINLOGPROXY_SERVICE_PORT=x":               "",
		"BINLOGPROXY_PORT=x":                       "",
		"BINLOGPROXY_PORT_3307_TCP_ADDR=x":         "",
		"HOME=/":                                   "",
	} {
		err := unknownVariables(c, []string{variable})
		if (err != nil) != (want != "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func TestReadinessIsToldForEachSource(t *testing.T) {
	primary := testenv.NewMySQL(t, testenv.MySQLOptions{Name: "primary"})
	f := newFleet(t)
	f.write(t, f.source("good", primary.Addr(), reserved(t)), f.source("bad", "127.0.0.1:1", reserved(t)))
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	f.until(t, "good", "ready", isReady)
	f.until(t, "bad", "waiting", func(s SourceStatus) bool { return s.LastError != "" })
	for path, want := range map[string]struct {
		code  int
		lines []string
	}{
		"/readyz":              {503, []string{"[+]source good ok", "[-]source bad failed: ", "readyz check failed"}},
		"/readyz/good":         {200, []string{"ok"}},
		"/readyz/good?verbose": {200, []string{"[+]source good ok", "readyz check passed"}},
		"/readyz/bad":          {503, []string{"[-]source bad failed: ", "127.0.0.1:1"}},
		"/readyz/none":         {404, []string{"no source"}},
		"/livez":               {200, []string{"ok"}},
		"/livez?verbose":       {200, []string{"[+]ping ok", "livez check passed"}},
	} {
		response, err := http.Get("http://" + f.HTTP() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != want.code {
			t.Errorf("%s: %s %v", path, response.Status, err)
		}
		for _, line := range want.lines {
			if !strings.Contains(string(body), line) {
				t.Errorf("%s does not say %q:\n%s", path, line, body)
			}
		}
	}
	_, table, _ := command("status", "--http="+f.HTTP())
	if !strings.Contains(table, "SOURCE") || !strings.Contains(table, "\ngood") || !strings.Contains(table, "\nbad: ") || strings.Contains(table, "gtid executed") {
		t.Errorf("the status of two sources:\n%s", table)
	}
	if code, one, errs := command("status", "--http="+f.HTTP(), "good"); code != exitOK || !strings.Contains(one, "source good") || strings.Contains(one, "bad") {
		t.Errorf("the status of one: exit code %d\n%s%s", code, one, errs)
	}
	if code, _, errs := command("status", "--http="+f.HTTP(), "none"); code != exitUsage || !strings.Contains(errs, "none") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}
