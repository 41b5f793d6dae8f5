package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cmd/replctl/internal/supervise"
)

// child is the command that runs under the lease.
type child struct{ *supervise.Child }

// lookCommand finds a command as a shell does, before anything is acquired for it.
func lookCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", cannotExecute(err)
	}
	return path, nil
}

func cannotExecute(err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return &cliError{exitNotFound, err, ""}
	}
	return &cliError{exitNotExecutable, err, ""}
}

func newChild(a *app, path string, args []string, lease replicate.Lease, url string) *child {
	cmd := exec.Command(path)
	cmd.Args = args
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.stdout, a.stderr
	cmd.Env = append(os.Environ(),
		"REPLCTL_LEASE_GENERATION="+strconv.FormatInt(lease.Generation, 10),
		"REPLCTL_LEASE_OWNER="+lease.Owner,
		"REPLCTL_LEASE_URL="+url,
	)
	return &child{supervise.New(cmd)}
}

func (c *child) result() error {
	if code := c.Code(); code != exitOK {
		return &cliError{code: code}
	}
	return nil
}

// lost is the end of a command whose lease was lost.
func (c *child) lost(why error) error {
	how := "the command would not die"
	select {
	case <-c.Done():
		how = fmt.Sprintf("the command ended with exit code %d", c.Code())
	default:
	}
	return &cliError{exitLost, fmt.Errorf("%w; %s", plain(why), how), ""}
}
