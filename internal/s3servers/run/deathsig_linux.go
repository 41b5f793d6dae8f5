package main

import "syscall"

// diesWithUs has the kernel end a server whose starter was killed.
func diesWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
