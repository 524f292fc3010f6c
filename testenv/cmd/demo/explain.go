package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/binlogproxy/binlogproxy/testenv"
)

// explain prints how to reach each part. MySQL's clients are taken from the servers'
// own containers, which share this machine's network; one that is installed here
// takes the same arguments.
func (p *parts) explain(binary string) error {
	path, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	host, port := p.proxy.Endpoint()
	primary, replica := p.primary.ContainerID()[:12], p.replica.ContainerID()[:12]
	const first, copied = "binlog.000001", "/tmp/from-proxy."
	fmt.Println("\nEverything is still running. The primary, and the replica behind the proxy:")
	command("docker exec -it %s mysql --host=127.0.0.1 --port=%d --protocol=tcp --user=root --password=%s", primary, p.primary.Port(), testenv.RootPassword)
	command("docker exec -it %s mysql --host=127.0.0.1 --port=%d --protocol=tcp --user=root --password=%s", replica, p.replica.Port(), testenv.RootPassword)
	fmt.Println("The primary's files, fetched through the proxy, and one of them beside the primary's own:")
	command("docker exec %s mysqlbinlog --read-from-remote-server --raw --host=%s --port=%d --protocol=tcp --get-server-public-key --user=%s --password=%s --to-last-log --result-file=%s %s",
		primary, host, port, testenv.ReplicationUser, testenv.ReplicationPassword, copied, first)
	command("docker exec %s sha256sum %s%s %s", primary, copied, first, testenv.BinlogPath(first))
	fmt.Println("The proxy's state, its log and its files:")
	command("%s status --http=%s", quote(path), p.proxy.HTTP())
	command("tail %s", quote(p.dataDir()+".log"))
	command("ls -l %s/*", quote(p.proxy.SourceDir()))
	end := fmt.Sprintf("kill %d; docker rm -f -v %s %s; rm -rf %s", p.proxy.PID(), primary, replica, quote(p.dir))
	if p.bucket != nil {
		fmt.Println("The bucket's objects, and how an S3 client reaches them:")
		command("find %s -type f", quote(p.bucket.BucketDir()))
		command("env %s aws --endpoint-url http://%s s3 ls --recursive s3://%s", strings.Join(p.bucket.Env(), " "), p.bucket.Addr(), testenv.S3Bucket)
		end += fmt.Sprintf("; kill %d; rm -rf %s", p.bucket.PID(), quote(p.bucket.Dir()))
	}
	fmt.Println("End it with:")
	command("%s", end)
	return nil
}

func command(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }

// quote makes one word for the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
