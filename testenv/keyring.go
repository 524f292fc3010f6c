package testenv

import (
	"strings"

	"github.com/testcontainers/testcontainers-go"
)

// keyringFiles are what makes mysqld load component_keyring_file (see the manual:
// "Using the component_keyring_file File-Based Keyring Component"): a manifest beside
// its binary, and the component's configuration beside the component. Images differ
// in where that is; a file that nobody looks for does no harm.
func (m *MySQL) keyringFiles() []testcontainers.ContainerFile {
	if !m.options.Keyring {
		return nil
	}
	file := func(path, content string) testcontainers.ContainerFile {
		return testcontainers.ContainerFile{Reader: strings.NewReader(content), ContainerFilePath: path, FileMode: 0o644}
	}
	config := `{"path": "` + dataDir + `/../keyring", "read_only": false}`
	return []testcontainers.ContainerFile{
		file("/usr/sbin/mysqld.my", `{"components": "file://component_keyring_file"}`),
		file("/usr/lib/mysql/plugin/component_keyring_file.cnf", config),
		file("/usr/lib64/mysql/plugin/component_keyring_file.cnf", config),
	}
}
