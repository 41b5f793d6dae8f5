//go:build !(linux || darwin || freebsd)

package file

import "os"

// lookAt is lstat of a name in an open directory; it does not follow links.
func lookAt(_ *os.File, dir *os.Root, name string) (look, error) {
	fi, err := dir.Lstat(name)
	if err != nil {
		return look{}, err
	}
	return lookOf(fi), nil
}
