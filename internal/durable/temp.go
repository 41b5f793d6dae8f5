package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Temp is a file being written, invisible until Publish.
type Temp struct {
	*os.File
	dir  *os.Root
	name string

	// Guard, if set, is asked by Publish between the fsync and the naming: the
	// last moment at which an error still means that nothing has happened.
	Guard func() error
}

// ErrUncertain: Publish does not know whether the file has its name, or whether
// it would keep it in a crash. Looking does not tell: it shows what is in memory.
// With any other error the file has not got its name, and will not.
var ErrUncertain = errors.New("outcome of publishing unknown")

var tempName = regexp.MustCompile(`^\.replicate-[A-Z2-7]{26}\.tmp$`)

// IsTempName reports whether a file name is one that CreateTemp makes.
func IsTempName(name string) bool {
	return strings.HasPrefix(name, ".replicate-") && tempName.MatchString(name)
}

// CreateTemp makes an empty temporary file in dir and locks it. The caller must
// end it with Publish or Abort.
func CreateTemp(dir *os.Root, perm os.FileMode) (*Temp, error) {
	for {
		name := ".replicate-" + rand.Text() + ".tmp"
		f, err := dir.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, perm)
		if err != nil {
			return nil, fmt.Errorf("create temporary file: %w", err)
		}
		t := &Temp{File: f, dir: dir, name: name}
		ours, err := t.claim()
		if ours {
			return t, nil
		}
		t.Abort()
		if err != nil {
			return nil, fmt.Errorf("create temporary file: %w", err)
		}
		// A sweeper was there between create and lock.
	}
}

// claim locks a new temporary, and reports whether it still has its name. On a filesystem
// without locks nobody sweeps; see Sweep. But ENOLCK may also be a shortage that passes, and
// then a sweeper would take the temporary of a live writer: so claim tries twice.
func (t *Temp) claim() (bool, error) {
	locked, err := takeLock(t.File)
	if err != nil && noLocks(err) {
		locked, err = takeLock(t.File)
	}
	switch {
	case err != nil && noLocks(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("lock: %w", err)
	case !locked:
		return false, nil
	}
	return t.inPlace()
}

// inPlace reports whether the name still leads to the open file.
func (t *Temp) inPlace() (bool, error) {
	open, err := t.Stat()
	if err != nil {
		return false, err
	}
	named, err := t.dir.Lstat(t.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && named.Mode().IsRegular() && os.SameFile(open, named), err
}

// Publish gives the file its name in the directory, durably, with the given
// modification time unless it is zero. With exclusive set an existing file
// stays and the error is fs.ErrExist. On any error the temporary is gone. When
// only the last step, the directory's fsync, has failed, the file is visible
// but may not survive a crash; that is an ErrUncertain.
func (t *Temp) Publish(name string, modTime time.Time, exclusive bool) error {
	if err := t.publish(name, modTime, exclusive); err != nil {
		t.Abort()
		return err
	}
	if err := syncDir(t.dir, "."); err != nil {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return nil
}

var syncDir = SyncDir // tests let it fail

func (t *Temp) publish(name string, modTime time.Time, exclusive bool) error {
	if !modTime.IsZero() {
		if err := t.dir.Chtimes(t.name, modTime, modTime); err != nil {
			return fmt.Errorf("set modification time: %w", err)
		}
	}
	if err := t.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if t.Guard != nil {
		if err := t.Guard(); err != nil {
			return err
		}
	}
	self, err := t.Stat()
	if err != nil {
		return err
	}
	if exclusive {
		if err := t.named("link", name, self, t.dir.Link(t.name, name)); err != nil {
			return err
		}
		t.Abort()
		return nil
	}
	if closeBeforeRename {
		if err := t.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	}
	if err := t.named("rename", name, self, t.dir.Rename(t.name, name)); err != nil {
		return err
	}
	_ = t.Close() // the fsync has said what there was to say
	return nil
}

// named judges the outcome of a link or rename. A network filesystem repeats a
// request whose answer was lost, and is then told that the name exists, or that
// the temporary does not; so an error is no error if the name leads to the file.
// If it does not, only a refusal on grounds is certain to be one.
func (t *Temp) named(op, name string, self os.FileInfo, err error) error {
	if err == nil {
		return nil
	}
	if fi, statErr := t.dir.Lstat(name); statErr == nil && os.SameFile(self, fi) {
		return nil
	}
	for _, ground := range refusals {
		if errors.Is(err, ground) {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return fmt.Errorf("%s: %w: %w", op, ErrUncertain, err)
}

var refusals = []error{
	os.ErrExist, os.ErrNotExist, os.ErrPermission, errors.ErrUnsupported,
	syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EMLINK, syscall.EXDEV,
	syscall.EISDIR, syscall.ENOTDIR, syscall.ENOTEMPTY, syscall.ENAMETOOLONG,
}

// Abort removes the temporary. It may be called again, and after Publish.
func (t *Temp) Abort() {
	_ = t.Close()
	_ = t.dir.Remove(t.name)
}

// MkdirAll makes the directory name and its missing parents below root. It fsyncs
// the parent of each that it made, and of each that is there and empty.
func MkdirAll(root *os.Root, name string, perm os.FileMode) error {
	if name == "." {
		return syncName(root)
	}
	if !fs.ValidPath(name) {
		return fmt.Errorf("create directory %s: not a path below the root", name)
	}
	if sub, err := OpenSubRoot(root, name); err == nil {
		defer sub.Close()
		return syncName(sub)
	}
	parent := path.Dir(name)
	if err := MkdirAll(root, parent, perm); err != nil {
		return err
	}
	if err := root.Mkdir(name, perm); errors.Is(err, os.ErrExist) {
		switch fi, err := root.Stat(name); {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("create directory %s: a link to nothing is in the way", name)
		case err != nil:
			return fmt.Errorf("create directory: something of that name is there: %w", err)
		case !fi.IsDir():
			return fmt.Errorf("create directory %s: a file of that name is in the way", name)
		}
	} else if err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	// Also when another writer made it: it may not have got to its fsync.
	return syncDir(root, parent)
}

// MakeDir makes a directory and its missing parents durably, as [MkdirAll] does, below the
// nearest one that exists. One that is there and empty may be that of a writer that was killed.
func MakeDir(dir string, perm os.FileMode) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	base := dir
	for fi, err := os.Stat(base); (err != nil || !fi.IsDir()) && base != filepath.Dir(base); fi, err = os.Stat(base) {
		base = filepath.Dir(base)
	}
	root, err := OpenRoot(base)
	if err != nil {
		return err
	}
	defer root.Close()
	rel, err := filepath.Rel(base, dir)
	if err != nil {
		return err
	}
	return MkdirAll(root, filepath.ToSlash(rel), perm)
}

// syncName is a variable for tests of what happens without it.
var syncName = SyncName

// Sweep removes the temporaries in dir that dead writers left, and returns how
// many. Those of live writers, in this process or another, are locked and stay.
func Sweep(dir *os.Root) (removed int, err error) {
	d, err := dir.Open(".")
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1024)
		for _, name := range names {
			if IsTempName(name) && removeDead(dir, name) {
				removed++
			}
		}
		if len(names) == 0 || err != nil {
			return removed, nil // io.EOF
		}
	}
}

func removeDead(dir *os.Root, name string) bool {
	f, err := openToLock(dir, name, 0, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	if locked, err := tryLock(f); err != nil || !locked {
		return false
	}
	t := &Temp{File: f, dir: dir, name: name}
	if inPlace, err := t.inPlace(); err != nil || !inPlace {
		return false // a link, or published meanwhile
	}
	if closeBeforeRename {
		_ = f.Close()
	}
	return dir.Remove(name) == nil
}
