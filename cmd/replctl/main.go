// Command replctl inspects Litestream replicas, from a URL alone.
package main

//go:generate go test ./internal/cli -run ^TestManualIsCurrent$ -update

import (
	"os"

	"github.com/replctl/replicate/cmd/replctl/internal/cli"
)

// version is set when a release is built: -ldflags "-X main.version=v1.2.3".
var version string

func main() { os.Exit(cli.Main(version)) }
