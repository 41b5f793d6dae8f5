package trap

import (
	"maps"

	"golang.org/x/sys/unix"
)

// shape says where a call has its file: a descriptor, a path below a descriptor, or a path
// alone, by the index of the argument, and -1 for none.
type shape struct {
	name     string
	fd, path int
	to       int // of a rename or link, the index of the second descriptor and path
}

func onFD(name string) shape       { return shape{name, 0, -1, -1} }
func at(name string) shape         { return shape{name, 0, 1, -1} }
func onPath(name string) shape     { return shape{name, -1, 0, -1} }
func fromTo(name string) shape     { return shape{name, 0, 1, 2} }
func pathFromTo(name string) shape { return shape{name, -1, 0, 1} }

type table map[int]shape

// calls are the system calls that are stopped, under the names that [Call] gives them.
var calls = func() table {
	all := maps.Clone(legacy)
	maps.Copy(all, modern)
	return all
}()

var modern = table{
	unix.SYS_OPENAT:            at("open"),
	unix.SYS_OPENAT2:           at("open"),
	unix.SYS_MKDIRAT:           at("mkdir"),
	unix.SYS_UNLINKAT:          at("unlink"),
	unix.SYS_RENAMEAT:          fromTo("rename"),
	unix.SYS_RENAMEAT2:         fromTo("rename"),
	unix.SYS_LINKAT:            fromTo("link"),
	unix.SYS_SYMLINKAT:         {"symlink", 1, 2, -1},
	unix.SYS_FCHMODAT:          at("chmod"),
	unix.SYS_FCHOWNAT:          at("chown"),
	unix.SYS_UTIMENSAT:         at("utimens"),
	unix.SYS_STATX:             at("stat"),
	unix.SYS_READLINKAT:        at("readlink"),
	unix.SYS_FACCESSAT:         at("access"),
	unix.SYS_FACCESSAT2:        at("access"),
	unix.SYS_READ:              onFD("read"),
	unix.SYS_PREAD64:           onFD("read"),
	unix.SYS_READV:             onFD("read"),
	unix.SYS_WRITE:             onFD("write"),
	unix.SYS_PWRITE64:          onFD("write"),
	unix.SYS_WRITEV:            onFD("write"),
	unix.SYS_COPY_FILE_RANGE:   {"write", 2, -1, -1},
	unix.SYS_SENDFILE:          onFD("write"),
	unix.SYS_SPLICE:            {"write", 2, -1, -1},
	unix.SYS_FSYNC:             onFD("fsync"),
	unix.SYS_FDATASYNC:         onFD("fsync"),
	unix.SYS_FLOCK:             onFD("lock"),
	unix.SYS_FCNTL:             onFD("fcntl"),
	unix.SYS_FTRUNCATE:         onFD("truncate"),
	unix.SYS_FALLOCATE:         onFD("truncate"),
	unix.SYS_GETDENTS64:        onFD("readdir"),
	unix.SYS_FSTAT:             onFD("fstat"),
	unix.SYS_FCHMOD:            onFD("chmod"),
	unix.SYS_FCHOWN:            onFD("chown"),
	unix.SYS_LSEEK:             onFD("seek"),
	unix.SYS_CLOSE:             onFD("close"),
	unix.SYS_FSETXATTR:         onFD("setxattr"),
	unix.SYS_FGETXATTR:         onFD("getxattr"),
	unix.SYS_FLISTXATTR:        onFD("listxattr"),
	unix.SYS_FREMOVEXATTR:      onFD("removexattr"),
	unix.SYS_INOTIFY_ADD_WATCH: {"watch", -1, 1, -1},
	unix.SYS_TRUNCATE:          onPath("truncate"),
	unix.SYS_STATFS:            onPath("statfs"),
	unix.SYS_FSTATFS:           onFD("statfs"),
}
