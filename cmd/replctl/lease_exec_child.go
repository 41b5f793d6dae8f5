package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"github.com/replctl/replicate"
)

// child is the command that runs under the lease.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

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
	return &child{cmd: cmd, done: make(chan struct{})}
}

// start starts the command; restore undoes what that took, when it has ended.
//
// The thread that starts it has to live as long as the command, for it is that
// thread's death that the kernel kills the command at (prctl(2), PR_SET_PDEATHSIG).
func (c *child) start() (restore func(), err error) {
	restore = c.prepare()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with this function
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // the state says it all
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// code is the command's exit code, as a shell tells it, once it has ended.
func (c *child) code() int {
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	return c.cmd.ProcessState.ExitCode()
}

func (c *child) result() error {
	if code := c.code(); code != exitOK {
		return &cliError{code: code}
	}
	return nil
}

// lost is the end of a command whose lease was lost.
func (c *child) lost(why error) error {
	how := "the command would not die"
	select {
	case <-c.done:
		how = fmt.Sprintf("the command ended with exit code %d", c.code())
	default:
	}
	return &cliError{exitLost, fmt.Errorf("%w; %s", plain(why), how), ""}
}
