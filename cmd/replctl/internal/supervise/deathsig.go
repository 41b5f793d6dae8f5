//go:build linux || freebsd

package supervise

import "syscall"

// dieWithParent has the kernel kill the command when replctl dies: a command that
// outlives the renewals is a second writer.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
