package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/replica"
)

// FileOptions are how a database file is put in place.
type FileOptions struct {
	Options

	// Replace allows that a database is there already. It is replaced whole, when
	// the new one is complete; its -wal, -shm and -journal files go with it, since
	// SQLite would apply them to the new one. No process may have it open: set Unused.
	Replace bool

	// Unused, if set, is called with the path of the database that Replace replaces:
	// before anything is read, and again just before the replacement. It returns an
	// error if a process has the database open (sqlite.CheckUnused), which ends the
	// restore, and nothing has changed then. What opens the database after the second
	// call is not seen.
	Unused func(path string) error

	// Perm is the mode of a new file, before the umask; 0600 if zero. A file that
	// replaces another gets that one's mode, and its owner where that is allowed.
	Perm fs.FileMode

	// Check, if set, is called with the path of the complete file before it gets
	// its name. Its error ends the restore, and nothing has changed then.
	Check func(ctx context.Context, path string) error
}

// sidecars are what SQLite keeps beside a database.
var sidecars = []string{"-wal", "-shm", "-journal"}

// File restores a state to a file, and returns the plan that it followed last. It plans,
// and if the replica turns out to have changed since it was listed, or an object to be
// damaged or refused, it plans again, around that object. What cannot be got around is the
// error of the first plan that failed. An error about the target is a *[PlanError].
//
// The file is written under a temporary name beside it, synced, and renamed, so that at any
// moment, also after a crash or with a full disk, there is the whole database or what was
// there before. Directories that are missing are made. Only one thing cannot be done in one
// step: a crash in the instant between moving away the old database's -wal and
// -journal and renaming the new one to its name leaves the old one with those beside
// it under longer names, that end as the temporary's does. So does an fsync of the directory
// that fails after the renaming.
//
// If something is there and Replace is not set, the error is fs.ErrExist. An error that is
// blob.ErrIndeterminate leaves open which database is there; with any other it is the old one,
// or none.
func File(ctx context.Context, src replica.Source, target Target, path string, opts FileOptions) (*Plan, error) {
	return Follow(ctx, src, target, opts.Options, func(files *replica.Files, p *Plan) error {
		return p.toFile(ctx, files, path, opts)
	})
}

func (p *Plan) toFile(ctx context.Context, files *replica.Files, path string, opts FileOptions) (err error) {
	defer errs.Wrap(&err, "restore to %s", path)
	t, err := openPlace(path)
	if err != nil {
		return err
	}
	defer t.dir.Close()
	return t.restore(ctx, files, p, opts)
}

// place is where a database is to be.
type place struct {
	dir  *os.Root
	name string
	old  os.FileInfo // what is there; nil if nothing is
}

func openPlace(path string) (*place, error) {
	// Replace the file that a link leads to, not the link.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir, name := filepath.Split(filepath.Clean(path))
	if dir == "" {
		dir = "."
	}
	if err := durable.MakeDir(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := durable.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	t := &place{dir: root, name: name}
	if t.old, err = root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err == nil && !t.old.Mode().IsRegular() {
		err = notAFile(t.old.Mode())
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return t, nil
}

// notAFile: a link is still one here only if it leads to nothing.
func notAFile(mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 {
		return errors.New("it is a symbolic link to what does not exist")
	}
	return errors.New("it is not a file")
}

func (t *place) restore(ctx context.Context, files *replica.Files, plan *Plan, opts FileOptions) error {
	if err := t.isFree(opts); err != nil {
		return err
	}
	if _, err := durable.Sweep(t.dir); err != nil { // of restores that were killed
		return err
	}
	temp, err := durable.CreateTemp(t.dir, cmp.Or(opts.Perm, 0o600))
	if err != nil {
		return err
	}
	defer temp.Abort()
	if err := plan.Write(ctx, files, temp, opts.Options); err != nil {
		return err
	}
	if opts.Check != nil {
		if err := opts.Check(ctx, temp.Name()); err != nil {
			return err
		}
	}
	if t.old != nil {
		if err := likeFile(temp.File, t.old); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := t.isFree(opts); err != nil {
		return err
	}
	err = t.publish(temp, opts.Replace)
	if errors.Is(err, durable.ErrUncertain) {
		err = fmt.Errorf("%w: %w", blob.ErrNotDurable, err)
	}
	return err
}

// isFree reports what is in the way: a process that has the old database open or, if it
// is not to be replaced, the old database. A -wal or -journal file without its database
// is in the way, too.
func (t *place) isFree(opts FileOptions) error {
	switch {
	case opts.Replace && opts.Unused != nil:
		return opts.Unused(filepath.Join(t.dir.Name(), t.name))
	case opts.Replace:
		return nil
	case t.old != nil:
		return fmt.Errorf("%w: a database of %d bytes is there", fs.ErrExist, t.old.Size())
	}
	for _, suffix := range sidecars {
		switch _, err := t.dir.Lstat(t.name + suffix); {
		case err == nil:
			return fmt.Errorf("%w: no database is there, but %s, which SQLite would apply to the restored one",
				fs.ErrExist, t.name+suffix)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// publish gives the file its name. The old one's sidecars are out of the way
// before, and back if that fails.
func (t *place) publish(temp *durable.Temp, replace bool) error {
	if !replace {
		return temp.Publish(t.name, time.Time{}, true)
	}
	aside, err := t.moveSidecars(filepath.Base(temp.Name()))
	if err == nil {
		err = temp.Publish(t.name, time.Time{}, false)
	}
	for from, to := range aside {
		switch {
		case err == nil:
			_ = t.dir.Remove(to)
		case !errors.Is(err, durable.ErrUncertain): // else a power loss may bring the old database back
			_ = t.dir.Rename(to, from)
		}
	}
	return err
}

func (t *place) moveSidecars(suffix string) (aside map[string]string, err error) {
	aside = map[string]string{}
	for _, sidecar := range sidecars {
		from := t.name + sidecar
		to := from + suffix
		switch err := t.dir.Rename(from, to); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return aside, err
		default:
			aside[from] = to
		}
	}
	// Sync also where nothing was moved: a restore that was killed may have moved them
	// and not synced, and then a power loss would put them beside the new database.
	return aside, durable.SyncDir(t.dir, ".")
}
