// Command run starts MinIO and versitygw on free ports of the loopback
// interface, in temporary directories, runs a command with their addresses in
// its environment (see package s3servers), stops them, and exits as the command
// did. Without arguments the command is the tests that need the servers.
//
// The servers are taken from MINIO and VERSITYGW (paths), else from PATH, else
// installed, in the versions pinned here, into the user's cache directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/replctl/replicate/internal/s3servers"
)

const (
	accessKey = "replicate-test"
	secretKey = "replicate-test-secret"
)

func init() {
	// On Linux a server dies with the thread that has started it: main's, which
	// lasts as long as the process.
	runtime.LockOSThread()
}

func main() {
	command := os.Args[1:]
	if len(command) == 0 {
		command = []string{"go", "test", "-count=1", "-tags", "realservers", "./..."}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code, err := run(ctx, command)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "s3servers:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(ctx context.Context, command []string) (code int, err error) {
	dir, err := os.MkdirTemp("", "s3servers-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	bundle, err := makeCertificate(filepath.Join(dir, "certs"))
	if err != nil {
		return 1, err
	}
	var addresses []string
	for _, spec := range specs {
		s, err := spec.start(ctx, dir)
		if err != nil {
			return 1, fmt.Errorf("%s: %w", spec.name, err)
		}
		defer s.stop()
		addresses = append(addresses, spec.name+"="+s.endpoint)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		s3servers.Env+"="+strings.Join(addresses, " "), s3servers.EnvDir+"="+dir,
		"AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_SESSION_TOKEN=",
		"AWS_CA_BUNDLE="+bundle,
	)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}
