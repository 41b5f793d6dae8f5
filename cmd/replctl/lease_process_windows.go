package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/windows"
)

func catchSignals() (<-chan os.Signal, func()) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return signals, func() { signal.Stop(signals) }
}

func endsWaiting(os.Signal) bool { return true }

func signalCode(sig os.Signal) int { return exitSignal + int(sig.(syscall.Signal)) }

// prepare gives the command a process group, so that it can be sent Ctrl-Break, and
// does not get the Ctrl-C that is for replctl.
func (c *child) prepare() (restore func()) {
	c.cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	return func() {}
}

// signal sends the one event that a process group can get.
func (c *child) signal(os.Signal) {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(c.cmd.Process.Pid))
}

func (c *child) terminate() { c.signal(os.Interrupt) }

func (c *child) kill() { _ = c.cmd.Process.Kill() }

// gone reports whether the command has ended; of what it has started nothing is known.
func (c *child) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
