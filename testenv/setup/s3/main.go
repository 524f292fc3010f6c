// Command s3 builds the S3 server of the tests where it is missing, so that no test
// has to wait for it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/binlogproxy/binlogproxy/testenv"
)

func main() {
	path, err := testenv.BuildVersityGW(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "setup: ready:", path)
}
