// Command promtool fetches the program that tests alert rules where it is missing.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/binlogproxy/binlogproxy/testenv"
)

func main() {
	path, err := testenv.Promtool(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "setup: ready:", path)
}
