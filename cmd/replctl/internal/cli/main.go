// Package cli has the commands of replctl: one file a command, named after it.
package cli

import (
	"context"
	"os"
)

// Main runs replctl on the arguments of the process and returns its exit code. The version
// is that of a release, or empty.
func Main(version string) int {
	return run(version, &app{stdout: os.Stdout, stderr: os.Stderr})
}

func run(version string, a *app) int {
	release = version
	ctx, stop := untilSignal(context.Background())
	defer stop()
	err := newRootCommand(a).ExecuteContext(ctx)
	return a.exitCode(bySignal(ctx, err))
}
