package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerifiersAreKeptAcrossRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.json")
	given, err := NewAccount(testUser, []byte(testPassword), ReplicationSlave)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := NewAccount("gone", []byte("other"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAccounts(path, []Account{given, gone}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	// The next start has no password at hand, and one account less.
	kept, err := OpenAccounts(path, []Account{KeptAccount(testUser, ReplicationSlave)})
	if err != nil {
		t.Fatal(err)
	}
	ts := startServer(t, func(o *Options) { o.Accounts = kept })
	connect(t, ts, 0).mustQuery("SELECT 1") // by the fast path

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), testPassword) || strings.Contains(string(data), `"gone"`) {
		t.Error("the file holds a password, or an account that is no longer configured")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("files left behind: %v", entries)
	}
	if _, err := OpenAccounts(path, []Account{KeptAccount("gone")}); err == nil {
		t.Error("an account without any verifier was accepted")
	}
}

func TestAccountsFileIsNotBelievedBlindly(t *testing.T) {
	for name, tt := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"readable by others": {`{"version":1,"accounts":[]}`, 0o640},
		"not JSON":           {`{"version":`, 0o600},
		"later version":      {`{"version":2}`, 0o600},
		"damaged verifier":   {`{"version":1,"accounts":[{"user":"a","caching_sha2_password":"00","mysql_native_password":"zz"}]}`, 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "accounts.json")
			if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := OpenAccounts(path, nil)
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error that names the file", err)
			}
		})
	}
}

func TestAllMistakesInAccountsAreReported(t *testing.T) {
	a, err := NewAccount("a", []byte("p"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewAccounts(a, a, KeptAccount("b"), KeptAccount("", "SUPER"))
	for _, want := range []string{`"a" is configured twice`, `"b": no password`, `"": a user name`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := NewAccount("a", nil); err == nil {
		t.Error("an empty password was accepted")
	}
}

func TestAccountsDoNotPrint(t *testing.T) {
	a, err := NewAccount("a", []byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := NewAccounts(a)
	if err != nil {
		t.Fatal(err)
	}
	secret := fmt.Sprintf("%x", a.cachingSHA2[:])
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		for _, x := range []any{a, set, *set, a.cachingSHA2, *a.native} {
			if got := fmt.Sprintf(verb, x); strings.Contains(got, secret) || strings.Contains(got, "hunter2") {
				t.Errorf("%s prints a secret", verb)
			}
		}
	}
}

// A restart must not need room on the disk for what stands there already.
func TestAccountsFileIsWrittenOnlyIfItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.json")
	var before os.FileInfo
	for i, password := range []string{"a", "a", "b"} {
		account, err := NewAccount(testUser, []byte(password), ReplicationSlave)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAccounts(path, []Account{account}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && os.SameFile(before, info) != (password == "a") {
			t.Errorf("password %d: replaced %v", i, !os.SameFile(before, info))
		}
		before = info
	}
}

// It is no mistake of the configuration when the disk refuses the file.
func TestAccountsFileThatTheDiskRefusesIsItsOwnError(t *testing.T) {
	account, err := NewAccount(testUser, []byte(testPassword), ReplicationSlave)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "missing", "accounts.json")
	var disk *AccountsFileError
	if _, err := OpenAccounts(path, []Account{account}); !errors.As(err, &disk) || disk.Path != path {
		t.Error(err)
	}
	if _, err := OpenAccounts(t.TempDir(), []Account{account}); err == nil || errors.As(err, &disk) {
		t.Error("a folder, open to others, in its place:", err)
	}
}
