//go:build unix

package restore

import (
	"os"
	"syscall"
)

// likeFile gives f the mode of another file, and its owner if this process may.
func likeFile(f *os.File, other os.FileInfo) error {
	if st, ok := other.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(st.Uid), int(st.Gid)) // only root may; before Chmod, as it clears setuid
	}
	return f.Chmod(other.Mode().Perm())
}
