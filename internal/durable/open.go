package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Another user may have put a pipe, a socket, a device or a link where a file of
// ours should be. Opening a pipe waits for somebody at its other end, and opening
// a device may do anything. So everything here is opened by these functions.

// NotRegularError: what has the name of a file is a directory, a link, a pipe, a
// socket or a device.
type NotRegularError struct {
	Name string
	Mode fs.FileMode
}

func (e *NotRegularError) Error() string {
	return fmt.Sprintf("%s: not a regular file (mode %v)", e.Name, e.Mode)
}

// OpenFile opens a regular file below dir, without waiting for anybody. Anything
// else of that name is a [NotRegularError]. A link is not followed.
func OpenFile(dir *os.Root, name string, flag int, perm fs.FileMode) (*os.File, error) {
	// Look before opening, since opening a device may have an effect.
	if fi, err := dir.Lstat(name); err == nil && !fi.Mode().IsRegular() {
		return nil, &NotRegularError{name, fi.Mode()}
	}
	f, err := dir.OpenFile(name, flag|openFlags, perm)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &NotRegularError{name, fi.Mode()} // it came after the look
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// openFile is a variable for tests of what happens without it.
var openFile = OpenFile

// openToLock is OpenFile of a file that is only locked: for writing, as NFS wants
// it, or for reading where its mode forbids writing.
func openToLock(dir *os.Root, name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := openFile(dir, name, os.O_RDWR|flag, perm)
	if !errors.Is(err, fs.ErrPermission) {
		return f, err
	}
	there, openErr := openFile(dir, name, os.O_RDONLY, 0)
	if errors.Is(openErr, fs.ErrNotExist) {
		return nil, err // there is none, and none can be made
	}
	return there, openErr
}

// onlyDir, behind a name, lets only a directory be opened. os.OpenRoot opens
// first and looks afterwards.
const onlyDir = "/."

// OpenRoot is [os.OpenRoot] without waiting for anybody.
func OpenRoot(name string) (*os.Root, error) {
	root, err := os.OpenRoot(name + onlyDir)
	return root, named(err, name)
}

// OpenSubRoot is [os.Root.OpenRoot] without waiting for anybody.
func OpenSubRoot(root *os.Root, name string) (*os.Root, error) {
	sub, err := root.OpenRoot(name + onlyDir)
	return sub, named(err, name)
}

// named gives an error the name that was asked for.
func named(err error, name string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		pe.Path = name
	}
	return err
}

// SyncName makes a directory's own name durable before the first entry is made in
// it. Its maker does that, but may have been killed before. A directory that has
// entries needs nothing: whoever made the first has called SyncName.
func SyncName(dir *os.Root) error {
	if err := syncEmpty(dir); err != nil {
		return fmt.Errorf("sync name of directory %s: %w", filepath.Clean(dir.Name()), err)
	}
	return nil
}

func syncEmpty(dir *os.Root) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Readdirnames(1); !errors.Is(err, io.EOF) {
		return err
	}
	return syncParent(d)
}

var syncParent = fsyncParent // tests let it fail
