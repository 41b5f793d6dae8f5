package trap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Run starts a command, whose process is to call [Enter], and calls decide for each of its
// calls on a file below root, one after another. A call that decide does nothing about is
// continued, as all other calls are. Run returns what [exec.Cmd.Wait] returns, or an error of
// its own. The command's ExtraFiles must be empty. The process does not outlive this one.
func Run(cmd *exec.Cmd, root string, decide func(*Call)) error {
	runtime.LockOSThread() // Pdeathsig is for the end of the thread
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "trap"), os.NewFile(uintptr(pair[1]), "trap")
	defer ours.Close()
	cmd.ExtraFiles = []*os.File{theirs}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, variable+"=1", "GODEBUG=asyncpreemptoff=1")
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return err
	}
	serveErr := serve(ours, cmd.Process.Pid, root, decide)
	if serveErr != nil {
		_ = cmd.Process.Kill()
	}
	return errors.Join(serveErr, cmd.Wait())
}

// serve answers the calls of a child until it ends.
func serve(socket *os.File, pid int, root string, decide func(*Call)) error {
	listener, err := receive(socket)
	if listener < 0 {
		return err
	}
	defer unix.Close(listener)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return err
	}
	defer mem.Close()
	s := &supervisor{listener: listener, pid: pid, mem: mem, root: root}
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), setFlags, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	for {
		n, err := s.next()
		if err != nil || n == nil {
			return err
		}
		c := s.call(n)
		if c == nil {
			c = &Call{s: s, n: n} // on something else
		} else {
			decide(c)
		}
		if !c.answered {
			c.send(response{ID: n.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
		}
	}
}

// receive waits for the listener. It is -1 if the child has ended without Enter.
func receive(socket *os.File) (listener int, err error) {
	rights := make([]byte, unix.CmsgSpace(4))
	var n, rightsLen int
	for {
		n, rightsLen, _, _, err = unix.Recvmsg(int(socket.Fd()), make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil || n == 0 {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rightsLen])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("receive listener: %d messages, %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// What the kernel has of it, and package unix has not.
const (
	setFlags = 0x40082104 // SECCOMP_IOCTL_NOTIF_SET_FLAGS
	addFD    = 0x40182103 // SECCOMP_IOCTL_NOTIF_ADDFD
)

// notification is struct seccomp_notif.
type notification struct {
	ID         uint64
	TID, Flags uint32
	Nr         int32
	Arch       uint32
	IP         uint64
	Args       [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	ID    uint64
	Value int64
	Error int32
	Flags uint32
}

// newFD is struct seccomp_notif_addfd.
type newFD struct {
	ID           uint64
	Flags, Src   uint32
	New, NewFlag uint32
}

type supervisor struct {
	listener, pid int
	mem           *os.File
	root          string
}

// next waits for a call. It is nil when the child has ended.
func (s *supervisor) next() (*notification, error) {
	for {
		fds := []unix.PollFd{{Fd: int32(s.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("poll listener: %w", err)
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			return nil, nil
		}
		n := new(notification)
		switch err := s.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n)); {
		case err == nil:
			return n, nil
		case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOENT): // ENOENT: its thread has been killed
			return nil, fmt.Errorf("receive call: %w", err)
		}
	}
}

func (s *supervisor) ioctl(op uintptr, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s.listener), op, uintptr(arg))
	runtime.KeepAlive(arg)
	if errno != 0 {
		return errno
	}
	return nil
}
