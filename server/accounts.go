package server

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/binlogproxy/binlogproxy/internal/wire"
)

// Privilege is what an account may do. Every account may log in, ask statements
// and see the log's files (REPLICATION CLIENT).
type Privilege string

// ReplicationSlave allows registering and dumping.
const ReplicationSlave Privilege = "REPLICATION SLAVE"

// Account is one downstream user. It holds verifiers, from which a password can
// only be guessed; but see OpenAccounts.
type Account struct {
	User        string
	Privileges  []Privilege
	cachingSHA2 *wire.CachingSHA2Verifier
	native      *wire.NativeVerifier
}

// NewAccount computes the verifiers of a password, which must not be empty and is
// not kept.
func NewAccount(user string, password []byte, privileges ...Privilege) (Account, error) {
	if len(password) == 0 {
		return Account{}, fmt.Errorf("account %q: the password is empty", user)
	}
	sha2, native := wire.NewCachingSHA2Verifier(password), wire.NewNativeVerifier(password)
	a := Account{User: user, Privileges: privileges, cachingSHA2: &sha2, native: &native}
	return a, a.validate()
}

// KeptAccount is a configured account whose password is not at hand: its
// verifiers are those that OpenAccounts finds on disk.
func KeptAccount(user string, privileges ...Privilege) Account {
	return Account{User: user, Privileges: privileges}
}

// maxUser is the longest user name in bytes: mysqld's 32 characters.
const maxUser = 32 * 4

func (a Account) validate() error {
	if a.User == "" || len(a.User) > maxUser || strings.ContainsRune(a.User, 0) {
		return fmt.Errorf("account %q: a user name has 1 to %d bytes and no NUL", a.User, maxUser)
	}
	for _, p := range a.Privileges {
		if p != ReplicationSlave {
			return fmt.Errorf("account %q: unknown privilege %q", a.User, p)
		}
	}
	return nil
}

func (a Account) may(p Privilege) bool { return slices.Contains(a.Privileges, p) }

// Accounts is a fixed set of accounts. It is safe for concurrent use.
type Accounts struct{ byUser map[string]Account }

// NewAccounts returns a set that is not kept on disk. All mistakes are reported
// at once.
func NewAccounts(accounts ...Account) (*Accounts, error) {
	set := &Accounts{byUser: make(map[string]Account, len(accounts))}
	var errs []error
	for _, a := range accounts {
		errs = append(errs, a.validate())
		if a.cachingSHA2 == nil && a.native == nil {
			errs = append(errs, fmt.Errorf("account %q: no password is given and none was kept; give one once", a.User))
		}
		if _, double := set.byUser[a.User]; double {
			errs = append(errs, fmt.Errorf("account %q is configured twice", a.User))
		}
		set.byUser[a.User] = a
	}
	return set, errors.Join(errs...)
}

// Lookup makes Accounts a wire.Accounts. Of an unknown user nothing is said, so
// that ServerLogin pretends both plug-ins.
func (s *Accounts) Lookup(user string) (wire.Account, bool) {
	a, ok := s.byUser[user]
	return wire.Account{CachingSHA2: a.cachingSHA2, Native: a.native}, ok
}

// OpenAccounts returns the configured accounts and keeps their verifiers in the
// file path, mode 0600, for starts at which a password is not at hand. An account
// that is no longer configured is removed from the file.
//
// The file is as sensitive as the passwords themselves: the fast path proves
// knowledge of the verifier and of one login's traffic, not more (see
// docs/protocol.md). A file that others can read is refused.
func OpenAccounts(path string, configured []Account) (*Accounts, error) {
	kept, err := readAccounts(path)
	if err != nil {
		return nil, err
	}
	accounts := slices.Clone(configured)
	for i, a := range accounts {
		if a.cachingSHA2 == nil && a.native == nil {
			accounts[i].cachingSHA2, accounts[i].native = kept[a.User].cachingSHA2, kept[a.User].native
		}
	}
	set, err := NewAccounts(accounts...)
	if err != nil {
		return nil, err
	}
	return set, writeAccounts(path, accounts)
}

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
		return nil, fmt.Errorf("accounts: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("accounts file %s has mode %04o, others can read it: chmod 600 it and change the passwords",
			path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
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

// writeAccounts replaces the file atomically and durably.
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
	if err := replaceFile(path, append(data, '\n')); err != nil {
		return fmt.Errorf("accounts file %s: %w", path, err)
	}
	return nil
}
