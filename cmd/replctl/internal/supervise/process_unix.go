//go:build unix

package supervise

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// CatchSignals catches the signals that are for the command, until stop is called. A signal
// that was ignored from the start, as by nohup, stays ignored.
func CatchSignals() (caught <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 16)
	for _, sig := range []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals, func() { signal.Stop(signals) }
}

// EndsWaiting reports whether a signal ends replctl before there is a command to pass it to.
func EndsWaiting(sig os.Signal) bool { return sig != syscall.SIGUSR1 && sig != syscall.SIGUSR2 }

// SignalCode is the exit code of a process that a signal has ended, as a shell tells it.
func SignalCode(sig os.Signal) int { return SignalBase + int(sig.(syscall.Signal)) }

// prepare gives the command a process group, and, where replctl is in the foreground
// of a terminal, its place there.
func (c *Child) prepare() (restore func()) {
	// A stopped replctl cannot renew, and a stopped command cannot end in time. The kernel
	// sends the latter two for touching the terminal.
	jobControl := []os.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU}
	signal.Ignore(jobControl...)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(c.cmd.SysProcAttr)
	tty := int(os.Stdin.Fd())
	if !term.IsTerminal(tty) || !term.IsTerminal(int(os.Stdout.Fd())) || foreground(tty) != unix.Getpgrp() {
		return func() { signal.Reset(jobControl...) }
	}
	c.cmd.SysProcAttr.Foreground, c.cmd.SysProcAttr.Ctty = true, tty
	return func() {
		_ = unix.IoctlSetPointerInt(tty, unix.TIOCSPGRP, unix.Getpgrp())
		signal.Reset(jobControl...)
	}
}

// foreground is the process group in a terminal's foreground; 0 if there is none.
func foreground(tty int) int {
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}

// signal passes a signal on to the group. An error means that no process is left.
func (c *Child) signal(sig os.Signal) { _ = unix.Kill(-c.cmd.Process.Pid, sig.(syscall.Signal)) }

// terminate asks the group to end. A stopped process has to be continued for that.
func (c *Child) terminate() {
	c.signal(syscall.SIGTERM)
	c.signal(syscall.SIGCONT)
}

func (c *Child) kill() { c.signal(syscall.SIGKILL) }

// gone reports whether the command has ended and no process of its group is left.
func (c *Child) gone() bool {
	select {
	case <-c.done:
	default:
		return false
	}
	group := c.cmd.Process.Pid
	// If replctl is the init of a container, it has to reap orphans.
	for {
		if pid, err := unix.Wait4(-group, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
			break
		}
	}
	return errors.Is(unix.Kill(-group, 0), unix.ESRCH) || onlyZombies(group)
}
