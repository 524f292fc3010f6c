package testenv

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

// The contract is the official image's, so this passes on whichever image setup/setup.sh has made.
func TestImageHonoursTheOfficialVariablesAndPaths(t *testing.T) {
	RequireDocker(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	docker, err := connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	image, err := DefaultImage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	port, release, err := ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	c, err := runContainer(ctx, docker, testcontainers.ContainerRequest{
		Image: image,
		// Arguments alone: the image puts mysqld in front.
		Cmd: []string{"--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1", "--mysqlx=OFF", "--server-id=7"},
		Env: map[string]string{
			"MYSQL_ROOT_PASSWORD": "root password", "MYSQL_DATABASE": "made_by_env",
			"MYSQL_USER": "someone", "MYSQL_PASSWORD": "pass", "MYSQL_INITDB_SKIP_TZINFO": "1",
		},
		Files: []testcontainers.ContainerFile{
			initFile("1.sql", "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('from sql');"),
			initFile("2.sh", `MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql -uroot -e "INSERT INTO $MYSQL_DATABASE.t VALUES ('from sh')"`),
		},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	m := &MySQL{options: MySQLOptions{Name: "by entry point"}, port: port, container: c, releasePort: func() {}}
	defer func() {
		if t.Failed() {
			t.Log(c.logTail(context.WithoutCancel(ctx)))
		}
		if err := m.Terminate(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()

	// The temporary server listens on no network, so the first answer comes from the one that stays.
	if m.db, err = m.OpenDB("someone", "pass", "made_by_env"); err != nil {
		t.Fatal(err)
	}
	if err := m.waitReady(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := m.queryValue(ctx, "SELECT CONCAT_WS(',', @@server_id, @@datadir, @@socket, GROUP_CONCAT(a ORDER BY a)) FROM t")
	if want := "7,/var/lib/mysql/,/var/run/mysqld/mysqld.sock,from sh,from sql"; err != nil || got != want {
		t.Errorf("%q, want %q (%v)", got, want, err)
	}
	root, err := m.OpenDB("root", "root password", "")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.PingContext(ctx); err != nil {
		t.Errorf("root over the network: %v", err)
	}
	user, _, exit, err := c.exec(ctx, []string{"stat", "-c", "%U", "/var/lib/mysql/ibdata1"})
	if err != nil || exit != 0 || strings.TrimSpace(user) != "mysql" {
		t.Errorf("the data belongs to %q (exit %d, %v)", user, exit, err)
	}
	for _, tool := range []string{"mysql", "mysqladmin", "mysqldump", "mysqlbinlog"} {
		if _, stderr, exit, err := c.exec(ctx, []string{tool, "--version"}); err != nil || exit != 0 {
			t.Errorf("%s: exit %d, %v, %s", tool, exit, err, stderr)
		}
	}
}

func initFile(name, content string) testcontainers.ContainerFile {
	return testcontainers.ContainerFile{
		Reader: strings.NewReader(content), ContainerFilePath: "/docker-entrypoint-initdb.d/" + name, FileMode: 0o644,
	}
}
