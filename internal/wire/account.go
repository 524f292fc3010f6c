package wire

// Account is how one user proves who they are: by any of its verifiers. An
// account without any cannot log in. An empty password has verifiers too, those
// of no bytes.
type Account struct {
	CachingSHA2 *CachingSHA2Verifier
	Native      *NativeVerifier
}

// Accounts finds accounts for ServerLogin.
type Accounts interface {
	// Lookup returns the account of a user, and whether there is one. ServerLogin
	// goes through the same steps without an account; which, tells the one that
	// comes with false: the plug-ins of its verifiers are pretended, all of them
	// if it has none. The values of these verifiers do not matter.
	//
	// Lookup is called once per login, before any proof is judged. It may block,
	// for example to slow down guessing.
	Lookup(user string) (Account, bool)
}

// orDecoy returns an account that has a verifier for each plug-in to be offered,
// and whether a proof for it counts.
func (a Account) orDecoy(known bool) (Account, bool) {
	if a.CachingSHA2 == nil && a.Native == nil {
		return Account{CachingSHA2: new(CachingSHA2Verifier), Native: new(NativeVerifier)}, false
	}
	return a, known
}

// plugin chooses the plug-in for an account with at least one verifier: the
// client's if possible, which saves it from having to know another.
func (a Account) plugin(client, greeting string) string {
	switch {
	case a.holds(client):
		return client
	case a.holds(greeting):
		return greeting
	case a.CachingSHA2 != nil:
		return CachingSHA2Password
	default:
		return NativePassword
	}
}

func (a Account) holds(plugin string) bool {
	switch plugin {
	case CachingSHA2Password:
		return a.CachingSHA2 != nil
	case NativePassword:
		return a.Native != nil
	default:
		return false
	}
}
