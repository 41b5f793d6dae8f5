//go:build unix && !linux && !freebsd

package main

import "syscall"

// dieWithParent does nothing: other kernels do not offer it.
func dieWithParent(*syscall.SysProcAttr) {}
