package server

import (
	"errors"
	"fmt"
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

// isKept says that the account has no verifiers of its own.
func (a Account) isKept() bool { return a.cachingSHA2 == nil && a.native == nil }

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

// same reports whether nobody can tell b from a.
func (a Account) same(b Account) bool {
	return a.User == b.User && slices.Equal(a.Privileges, b.Privileges) && *a.cachingSHA2 == *b.cachingSHA2 && *a.native == *b.native
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
		if a.isKept() {
			errs = append(errs, fmt.Errorf("account %q: no password is given and none was kept; give one once", a.User))
		}
		if _, double := set.byUser[a.User]; double {
			errs = append(errs, fmt.Errorf("account %q is configured twice", a.User))
		}
		set.byUser[a.User] = a
	}
	return set, errors.Join(errs...)
}

// hold reports whether the account is there, with the same password and privileges.
func (s *Accounts) hold(a Account) bool {
	held, ok := s.byUser[a.User]
	return ok && held.same(a)
}

// Lookup makes Accounts a wire.Accounts. Of an unknown user nothing is said, so
// that ServerLogin pretends both plug-ins.
func (s *Accounts) Lookup(user string) (wire.Account, bool) {
	a, ok := s.byUser[user]
	return wire.Account{CachingSHA2: a.cachingSHA2, Native: a.native}, ok
}
