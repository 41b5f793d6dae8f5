//go:build faults && linux

package faults

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/internal/trap"
)

// FileKind is one way in which a file-system call fails.
type FileKind struct {
	Name string
	On   string // the calls that can fail so, as package trap calls them; empty for all

	// From says which later calls fail, too: none, those of the same name and path, those
	// of every path.
	From extent

	Cause string // what an error says of it

	// Do fails the call. It reports false if this one cannot fail so.
	Do func(*trap.Call) bool
}

type extent int

const (
	once extent = iota
	samePath
	everyPath
)

// changes are the calls that change what is on the disk, or wait for it.
const changes = "create mkdir unlink rename link symlink write truncate setxattr utimens chmod chown fsync"

// FileKinds are the ways in which a file-system call fails.
var FileKinds = []FileKind{
	errno("EACCES", "open create mkdir unlink rename link stat chmod watch readlink access", unix.EACCES),
	errno("EPERM", "link utimens chmod chown setxattr", unix.EPERM),
	errno("EIO", "", unix.EIO),
	{Name: "EIO for good", On: "open create read write fsync lock stat fstat readdir truncate rename link mkdir unlink",
		From: samePath, Cause: unix.EIO.Error(), Do: fails(unix.EIO)},
	errno("ENOENT", "open stat unlink rename link readdir", unix.ENOENT),
	errno("EINTR", "open create read write fsync lock truncate", unix.EINTR),
	errno("EMFILE", "open create dup", unix.EMFILE),
	{Name: "EMFILE for good", On: "open create dup", From: everyPath, Cause: unix.EMFILE.Error(), Do: fails(unix.EMFILE)},
	errno("ENOSPC", "create mkdir rename link write truncate setxattr fsync watch", unix.ENOSPC),
	{Name: "ENOSPC for good", On: "create mkdir rename link write truncate setxattr fsync", From: everyPath,
		Cause: unix.ENOSPC.Error(), Do: fails(unix.ENOSPC)},
	errno("ENOLCK", "lock", unix.ENOLCK),
	errno("EOPNOTSUPP", "lock link setxattr fsync", unix.EOPNOTSUPP),
	{Name: "short", On: "read write", Do: func(c *trap.Call) bool { return c.Regular() && c.Short() == nil }},
	{Name: "EIO after applying", On: "create mkdir rename link unlink write fsync", Cause: unix.EIO.Error(),
		Do: func(c *trap.Call) bool { return c.FailAfter(unix.EIO) == nil }},
	{Name: "SIGTERM", On: changes + " open read lock readdir stat watch", Do: signals(unix.SIGTERM)},
	{Name: "SIGKILL", On: changes + " lock", Do: signals(unix.SIGKILL)},
}

func errno(name, on string, err unix.Errno) FileKind {
	return FileKind{Name: name, On: on, Cause: err.Error(), Do: fails(err)}
}

func fails(err unix.Errno) func(*trap.Call) bool {
	return func(c *trap.Call) bool { c.Fail(err); return true }
}

func signals(sig unix.Signal) func(*trap.Call) bool {
	return func(c *trap.Call) bool { c.Signal(sig); return true }
}

// Fits reports whether the kind is one of a call's of this name.
func (k FileKind) Fits(name string) bool {
	return k.On == "" || slices.Contains(strings.Fields(k.On), name)
}

// FitsCall is Fits of a call as [FileCalls] names it. One for good begins with the first.
func (k FileKind) FitsCall(call string) bool {
	name, _, n := FileCall(call)
	return k.Fits(name) && (k.From != samePath || n == 1)
}

// Failing fails a call, and reports that it was made.
func (k FileKind) Failing(call string, hit *bool) func(*trap.Call) {
	n := FileCalls{}
	return func(c *trap.Call) {
		this := n.Name(c)
		switch {
		case this == call:
			*hit = k.Do(c)
		case *hit && (k.From == samePath && strings.HasPrefix(this, call+" #") || k.From == everyPath && k.Fits(c.Name)):
			k.Do(c)
		}
	}
}
