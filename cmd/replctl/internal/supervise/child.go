package supervise

import (
	"os/exec"
	"runtime"
	"syscall"
)

// SignalBase plus the number of a signal is an exit code, as of a shell.
const SignalBase = 128

// Child is a command in a process group of its own.
type Child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// New returns the child that will run cmd.
func New(cmd *exec.Cmd) *Child { return &Child{cmd: cmd, done: make(chan struct{})} }

// Start starts the command. The caller calls restore when the command has ended: it gives
// back the terminal and the handling of signals.
//
// The thread that starts the command has to live as long as the command, because the kernel
// kills the command when that thread dies (prctl(2), PR_SET_PDEATHSIG).
func (c *Child) Start() (restore func(), err error) {
	restore = c.prepare()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with this function
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // ProcessState has the result
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// Done is closed when the command has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Code is the command's exit code, as a shell tells it, once it has ended.
func (c *Child) Code() int {
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return SignalBase + int(status.Signal())
	}
	return c.cmd.ProcessState.ExitCode()
}
