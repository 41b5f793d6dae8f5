//go:build unix && !linux && !freebsd

package supervise

import "syscall"

// dieWithParent does nothing: other kernels do not offer it.
func dieWithParent(*syscall.SysProcAttr) {}
