package trap

import "golang.org/x/sys/unix"

// legacy are the calls that newer architectures do not have. SQLite makes some of them.
var legacy = table{
	unix.SYS_NEWFSTATAT: at("stat"),
	unix.SYS_OPEN:       onPath("open"),
	unix.SYS_CREAT:      onPath("open"),
	unix.SYS_MKDIR:      onPath("mkdir"),
	unix.SYS_RMDIR:      onPath("unlink"),
	unix.SYS_UNLINK:     onPath("unlink"),
	unix.SYS_RENAME:     pathFromTo("rename"),
	unix.SYS_LINK:       pathFromTo("link"),
	unix.SYS_SYMLINK:    {"symlink", -1, 1, -1},
	unix.SYS_CHMOD:      onPath("chmod"),
	unix.SYS_CHOWN:      onPath("chown"),
	unix.SYS_LCHOWN:     onPath("chown"),
	unix.SYS_UTIME:      onPath("utimens"),
	unix.SYS_UTIMES:     onPath("utimens"),
	unix.SYS_FUTIMESAT:  at("utimens"),
	unix.SYS_STAT:       onPath("stat"),
	unix.SYS_LSTAT:      onPath("stat"),
	unix.SYS_READLINK:   onPath("readlink"),
	unix.SYS_ACCESS:     onPath("access"),
	unix.SYS_GETDENTS:   onFD("readdir"),
}
