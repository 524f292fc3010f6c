package testenv_test

import (
	"bytes"
	"testing"

	"github.com/binlogproxy/binlogproxy/testenv"
)

func TestAServerWithAKeyringEncryptsItsBinlog(t *testing.T) {
	m := testenv.NewMySQL(t, testenv.MySQLOptions{Keyring: true, Args: []string{"--binlog-encryption=ON"}})
	exec(t, m, "CREATE DATABASE d")
	files, err := m.BinlogFiles(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.ReadBinlog(testContext(t), files[0].Name, &b); err != nil {
		t.Fatal(err)
	}
	if encrypted := []byte("\xfdbin"); !bytes.HasPrefix(b.Bytes(), encrypted) || bytes.Contains(b.Bytes(), []byte("CREATE DATABASE")) {
		t.Errorf("the file begins with %x", b.Bytes()[:16])
	}
}
