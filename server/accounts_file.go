package server

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/binlogproxy/binlogproxy/internal/atomicfile"
	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// OpenAccounts returns the configured accounts and keeps their verifiers in the
// file path, mode 0600, for starts at which a password is not at hand. An account
// that is no longer configured is removed from the file.
//
// The file is as sensitive as the passwords: whoever has a verifier and overhears
// one login can log in (docs/protocol.md). A file that others can read is refused.
func OpenAccounts(path string, configured []Account) (*Accounts, error) {
	accounts, set, err := withKept(path, configured)
	if err != nil {
		return nil, err
	}
	return set, writeAccounts(path, accounts)
}

// CheckAccounts tells whether OpenAccounts would take the accounts. It reads the file
// only where one of them has no password, and writes nothing.
func CheckAccounts(path string, configured []Account) error {
	if !slices.ContainsFunc(configured, Account.isKept) {
		_, err := NewAccounts(configured...)
		return err
	}
	_, _, err := withKept(path, configured)
	return err
}

// withKept gives accounts without a password the verifiers that are kept.
func withKept(path string, configured []Account) ([]Account, *Accounts, error) {
	kept, err := readAccounts(path)
	if err != nil {
		return nil, nil, err
	}
	accounts := slices.Clone(configured)
	for i, a := range accounts {
		if a.isKept() {
			accounts[i].cachingSHA2, accounts[i].native = kept[a.User].cachingSHA2, kept[a.User].native
		}
	}
	set, err := NewAccounts(accounts...)
	return accounts, set, err
}

// AccountsFileError says that the disk did not let the file of accounts be read or
// replaced.
type AccountsFileError struct {
	Path string
	Err  error
}

func (e *AccountsFileError) Error() string { return fmt.Sprintf("accounts file %s: %v", e.Path, e.Err) }
func (e *AccountsFileError) Unwrap() error { return e.Err }

// accountsFile is the file's content. Version 1 has everything below.
type accountsFile struct {
	Version  int             `json:"version"`
	Accounts []storedAccount `json:"accounts"`
}

type storedAccount struct {
	User        string      `json:"user"`
	Privileges  []Privilege `json:"privileges"`
	CachingSHA2 string      `json:"caching_sha2_password"` // hex of SHA256(SHA256(password))
	Native      string      `json:"mysql_native_password"` // hex of SHA1(SHA1(password))
}

const accountsVersion = 1

func readAccounts(path string) (map[string]Account, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &AccountsFileError{path, err}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("accounts file %s has mode %04o, others can read it: chmod 600 it and change the passwords",
			path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &AccountsFileError{path, err}
	}
	var file accountsFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("accounts file %s is damaged, remove it and give the passwords again: %w", path, err)
	}
	if file.Version != accountsVersion {
		return nil, fmt.Errorf("accounts file %s has version %d, this program knows %d", path, file.Version, accountsVersion)
	}
	kept := make(map[string]Account)
	for _, stored := range file.Accounts {
		if kept[stored.User], err = stored.account(); err != nil {
			return nil, fmt.Errorf("accounts file %s, user %q: %w", path, stored.User, err)
		}
	}
	return kept, nil
}

func (s storedAccount) account() (Account, error) {
	a := Account{User: s.User, Privileges: s.Privileges, cachingSHA2: new(wire.CachingSHA2Verifier), native: new(wire.NativeVerifier)}
	return a, errors.Join(decodeHex(a.cachingSHA2[:], s.CachingSHA2), decodeHex(a.native[:], s.Native))
}

var errVerifier = errors.New("a verifier is damaged, remove the file and give the passwords again")

// decodeHex fills dst. Its error does not repeat text.
func decodeHex(dst []byte, text string) error {
	if b, err := hex.DecodeString(text); err != nil || copy(dst, b) != len(dst) || len(b) != len(dst) {
		return errVerifier
	}
	return nil
}

// writeAccounts replaces the file atomically and durably. What stands there already
// is not written again: a restart must not need room on the disk.
func writeAccounts(path string, accounts []Account) error {
	file := accountsFile{Version: accountsVersion, Accounts: []storedAccount{}}
	for _, a := range accounts {
		file.Accounts = append(file.Accounts, storedAccount{User: a.User, Privileges: a.Privileges,
			CachingSHA2: hex.EncodeToString(a.cachingSHA2[:]), Native: hex.EncodeToString(a.native[:])})
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	data = append(data, '\n')
	if held, err := os.ReadFile(path); err == nil && bytes.Equal(held, data) {
		return nil
	}
	if err := atomicfile.Replace(path, data); err != nil {
		return &AccountsFileError{path, err}
	}
	return nil
}
