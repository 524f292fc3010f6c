package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// cleanEnvironment hides whatever credentials the machine has.
func cleanEnvironment(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// usedKey makes a request and returns the access key it was signed with.
func usedKey(t *testing.T) (key, source string, err error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key = regexp.MustCompile(`Credential=([^/]*)/`).FindStringSubmatch(r.Header.Get("Authorization"))[1]
		w.Header().Set("ETag", `"e"`)
	}))
	defer server.Close()
	s := open(t, "s3://archive/p?endpoint="+server.URL, nil)
	_, err = s.Put(t.Context(), "a", nil, store.PutOptions{})
	return key, s.CredentialSource(), err
}

func TestCredentialsAreFoundWhereTheAWSToolsFindThem(t *testing.T) {
	shared := filepath.Join(t.TempDir(), "credentials")
	text := "[default]\naws_access_key_id = of-default\naws_secret_access_key = s\n[backup]\naws_access_key_id = of-backup\naws_secret_access_key = s\n"
	if err := os.WriteFile(shared, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"AccessKeyId": "of-container", "SecretAccessKey": "s", "Token": "t", "Expiration": "2100-01-01T00:00:00Z"}`)
	}))
	defer container.Close()
	for _, test := range []struct {
		env         map[string]string
		key, source string
	}{
		{map[string]string{"AWS_ACCESS_KEY_ID": "of-env", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SHARED_CREDENTIALS_FILE": shared}, "of-env", "environment"},
		{map[string]string{"AWS_SHARED_CREDENTIALS_FILE": shared}, "of-default", "shared file"},
		{map[string]string{"AWS_SHARED_CREDENTIALS_FILE": shared, "AWS_PROFILE": "backup"}, "of-backup", "shared file"},
		{map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.URL}, "of-container", "container"},
	} {
		t.Run(test.key, func(t *testing.T) {
			cleanEnvironment(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			key, source, err := usedKey(t)
			if err != nil || key != test.key || source != test.source {
				t.Errorf("%q from %q, %v", key, source, err)
			}
		})
	}
}

// Web identity goes before the files, as in the AWS tools: its failure is named first.
func TestEveryPlaceThatWasLookedAtIsNamed(t *testing.T) {
	cleanEnvironment(t)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(t.TempDir(), "no-such-token"))
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")
	_, _, err := usedKey(t)
	if !errors.Is(err, store.ErrCredentials) || !regexp.MustCompile(`environment: none; web identity: .*no-such-token.*; shared file: `).MatchString(err.Error()) {
		t.Errorf("%v", err)
	}
}

// Without any, a request must not go out unsigned, to be answered "access denied".
func TestMissingCredentialsAreNamed(t *testing.T) {
	cleanEnvironment(t)
	key, _, err := usedKey(t)
	if !errors.Is(err, store.ErrCredentials) || key != "" {
		t.Errorf("%q, %v", key, err)
	}
}
