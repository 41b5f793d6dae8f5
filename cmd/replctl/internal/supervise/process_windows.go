package supervise

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/windows"
)

// CatchSignals catches the signals that end replctl, until stop is called.
func CatchSignals() (caught <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return signals, func() { signal.Stop(signals) }
}

// EndsWaiting reports whether a signal ends replctl before there is a command to pass it to.
func EndsWaiting(os.Signal) bool { return true }

// SignalCode is the exit code of a process that a signal has ended, as a shell tells it.
func SignalCode(sig os.Signal) int { return SignalBase + int(sig.(syscall.Signal)) }

// prepare gives the command a process group, so that it can be sent Ctrl-Break, and
// does not get the Ctrl-C that is for replctl.
func (c *Child) prepare() (restore func()) {
	c.cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	return func() {}
}

// signal sends the one event that a process group can get.
func (c *Child) signal(os.Signal) {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(c.cmd.Process.Pid))
}

func (c *Child) terminate() { c.signal(os.Interrupt) }

func (c *Child) kill() { _ = c.cmd.Process.Kill() }

// gone reports whether the command has ended. The processes that it has started are not known.
func (c *Child) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
