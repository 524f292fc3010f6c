package config

// ListenTLS is how a listener speaks TLS. The files are PEM, and are read again by a reload.
type ListenTLS struct {
	Mode         string `yaml:"mode"`           // off, optional, required, verify-client; default: required where there is a certificate, else off
	CertFile     string `yaml:"cert-file"`      // certificate with its chain; must be given unless off
	KeyFile      string `yaml:"key-file"`       // its key; must be given unless off
	ClientCAFile string `yaml:"client-ca-file"` // who signs the clients' certificates; must be given for verify-client, and for no other mode
}

func (t ListenTLS) validate(errs *mistakes, key string) {
	errs.oneOf(key+".mode", t.Mode, Off, "optional", "required", "verify-client")
	if t.Mode == Off {
		return
	}
	errs.need(key+".cert-file", t.CertFile)
	errs.need(key+".key-file", t.KeyFile)
	switch {
	case t.Mode == "verify-client":
		errs.need(key+".client-ca-file", t.ClientCAFile)
	case t.ClientCAFile != "":
		errs.add("%s.client-ca-file: mode %s does not ask clients for certificates; verify-client does", key, t.Mode)
	}
}
