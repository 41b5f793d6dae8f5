package durable

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/internal/mutant"
)

// asUser runs f where permissions count: as another user, if we are root. File
// system access has a user of its own in each thread.
func asUser(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		must(t, unix.Setfsuid(65534))
		defer func() { must(t, unix.Setfsuid(0)) }()
	}
	f()
}

// sharedRoot is a directory that every user can write to.
func sharedRoot(t *testing.T) *os.Root {
	t.Helper()
	root := openRoot(t)
	must(t, os.Chmod(filepath.Dir(root.Name()), 0o755))
	must(t, os.Chmod(root.Name(), 0o777))
	return root
}

// special are the things that another user can put in the place of a file.
var special = map[string]func(t *testing.T, path string){
	"pipe": func(t *testing.T, path string) { must(t, unix.Mkfifo(path, 0o444)) },
	"socket": func(t *testing.T, path string) {
		short, err := os.MkdirTemp("", "s") // the path of a socket is short
		must(t, err)
		t.Cleanup(func() { must(t, os.RemoveAll(short)) })
		l, err := net.Listen("unix", short+"/s")
		must(t, err)
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		must(t, l.Close())
		must(t, os.Rename(short+"/s", path))
	},
	"link to a pipe": func(t *testing.T, path string) {
		must(t, unix.Mkfifo(path+"-pipe", 0o444))
		must(t, os.Symlink(filepath.Base(path)+"-pipe", path))
	},
	"link to nothing": func(t *testing.T, path string) { must(t, os.Symlink("nothing", path)) },
	"directory":       func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o755)) },
}

// hangs is how long something takes that waits for ever.
var hangs = 30 * time.Second

// wantNoHang fails if f waits for somebody who never comes. A pipe's reader comes
// then, so that f can end.
func wantNoHang(t *testing.T, pipe string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(hangs):
		t.Error("it hangs")
		if f, err := os.OpenFile(pipe, os.O_RDWR|unix.O_NONBLOCK, 0); err == nil {
			defer f.Close()
		}
		<-done
	}
}

// TestSpecialLock: what is no regular file is no lock, and nobody waits for it.
func TestSpecialLock(t *testing.T) {
	for kind, plant := range special {
		t.Run(kind, func(t *testing.T) { testSpecialLock(t, plant) })
	}
}

func testSpecialLock(t *testing.T, plant func(t *testing.T, path string)) {
	root := sharedRoot(t)
	path := filepath.Join(root.Name(), lockFile)
	plant(t, path)
	wantNoHang(t, path, func() {
		asUser(t, func() {
			l, err := AcquireLock(t.Context(), root, lockFile, 0o600)
			if err == nil {
				l.Unlock()
				t.Error("it is locked")
			}
		})
	})
	if _, err := root.Lstat("nothing"); err == nil {
		t.Error("the target of a link was made")
	}
	wantIdle(t)
}

// TestSpecialMutant: an open that waits, or follows a link, is noticed.
func TestSpecialMutant(t *testing.T) {
	for _, kind := range []string{"pipe", "link to nothing"} {
		t.Run(kind, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				openFile = (*os.Root).OpenFile
				hangs = 100 * time.Millisecond
				t.Run("Lock", func(t *testing.T) { testSpecialLock(t, special[kind]) })
			}, "Lock")
		})
	}
}

// TestSpecialTemp: what has the name of a temporary and is no regular file stays,
// and does not stop a sweep.
func TestSpecialTemp(t *testing.T) {
	for kind, plant := range special {
		t.Run(kind, func(t *testing.T) {
			root := sharedRoot(t)
			impostor, dead := makeTemp(t, root, ""), makeTemp(t, root, "")
			impostor.Abort()
			must(t, dead.Close())
			must(t, os.Chmod(filepath.Join(root.Name(), dead.name), 0o666))
			path := filepath.Join(root.Name(), impostor.name)
			plant(t, path)
			wantNoHang(t, path, func() {
				asUser(t, func() {
					if n, err := Sweep(root); n != 1 || err != nil {
						t.Errorf("swept %d, %v, want 1", n, err)
					}
				})
			})
			if _, err := root.Lstat(impostor.name); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSpecialDirectory: a pipe in the place of a directory is not waited for.
func TestSpecialDirectory(t *testing.T) {
	root := sharedRoot(t)
	path := filepath.Join(root.Name(), "pipe")
	must(t, unix.Mkfifo(path, 0o444))
	for name, op := range map[string]func() error{
		"OpenRoot":        func() error { _, err := OpenRoot(path); return err },
		"SyncDir":         func() error { return SyncDir(root, "pipe") },
		"MkdirAll":        func() error { return MkdirAll(root, "pipe", 0o700) },
		"MkdirAll inside": func() error { return MkdirAll(root, "pipe/x", 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			wantNoHang(t, path, func() {
				if op() == nil {
					t.Error("a pipe is taken for a directory")
				}
			})
		})
	}
}
