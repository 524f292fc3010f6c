package main

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// configCommand looks at a configuration without running it. Its flags are those of run.
type configCommand struct {
	Check configCheck `cmd:"" help:"Report every mistake in the configuration and in the files that it names; exits with 2 for any."`
	Print configPrint `cmd:"" help:"Print the configuration that run would use, defaults filled in; secrets are only named."`
}

type configCheck struct{ runFlags }

// Run reads all that run reads.
func (c *configCheck) Run(s streams) error {
	_, sources, err := c.load()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "the configuration is valid, with %d sources\n", len(sources))
	return err
}

type configPrint struct{ runFlags }

// Run prints YAML that run accepts.
func (c *configPrint) Run(s streams) error {
	configuration, err := c.configuration()
	if err != nil {
		return err
	}
	encoder := yaml.NewEncoder(s.out)
	encoder.SetIndent(2)
	if err := encoder.Encode(configuration); err != nil {
		return err
	}
	return encoder.Close()
}
