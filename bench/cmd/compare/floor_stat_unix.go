//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// statAll looks at files of one directory, the processors' number at a time.
func statAll(dir string, names []string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return shares(len(names), func(from, to int) error {
		var st unix.Stat_t
		for _, name := range names[from:to] {
			if err := unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return err
			}
		}
		return nil
	})
}
