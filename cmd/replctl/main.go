// Command replctl inspects Litestream replicas, from a URL alone.
package main

//go:generate go test -run ^TestManualIsCurrent$ . -update

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run())
}

// run is main with the exit code as a result, for the test scripts.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)

	a := &app{stdout: os.Stdout, stderr: os.Stderr}
	return a.exitCode(newRootCommand(a).ExecuteContext(ctx))
}
