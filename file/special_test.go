//go:build unix

package file_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
)

// special are the things that may stand where a file or a directory should be.
var special = map[string]func(t *testing.T, path string){
	"pipe": func(t *testing.T, path string) { must(t, unix.Mkfifo(path, 0o600)) },
	"socket": func(t *testing.T, path string) {
		// The path of a socket is short; that of a test's directory is not.
		short, err := os.MkdirTemp("", "s")
		must(t, err)
		t.Cleanup(func() { must(t, os.RemoveAll(short)) })
		l, err := net.Listen("unix", short+"/s")
		must(t, err)
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		must(t, l.Close())
		must(t, os.Rename(short+"/s", path))
	},
	"directory": func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) },
	"file":      func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0o600)) },
}

type outcome struct {
	got any
	err error
}

// outcomeOf runs a verb, which must not wait for anybody.
func outcomeOf(t *testing.T, verb, dir string) outcome {
	t.Helper()
	done := make(chan outcome, 1)
	go func() {
		got, err := verbs[verb](t.Context(), file.NewReplicaClient(dir))
		done <- outcome{got, err}
	}()
	select {
	case o := <-done:
		return o
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s hangs", verb)
		return outcome{}
	}
}

// TestSpecialInPlaceOfFile: what is no regular file is listed without a size, is an
// error for a reader, and gives way to a writer unless it is a directory.
func TestSpecialInPlaceOfFile(t *testing.T) {
	for kind, plant := range special {
		if kind == "file" {
			continue
		}
		for verb := range verbs {
			if !leadsThrough(verb, levelFile) {
				continue
			}
			dir := t.TempDir()
			plantReplica(t, dir)
			must(t, os.Remove(filepath.Join(dir, levelFile)))
			plant(t, filepath.Join(dir, levelFile))
			o := outcomeOf(t, verb, dir)
			ok := o.got == nil && o.err == nil
			switch {
			case verb == "LTXFiles":
				ok = o.err == nil && isHollow(o.got)
			case verb == "OpenLTXFile", verb == "LTXFiles with times":
				want := blob.ErrUnreadable
				if kind == "directory" {
					want = fs.ErrNotExist // a directory is no object
				}
				ok = o.got == nil && errors.Is(o.err, want)
			case verb == "WriteLTXFile" && kind == "directory":
				ok = o.err != nil && strings.Contains(o.err.Error(), filepath.Base(levelFile))
			}
			if !ok {
				t.Errorf("%s in place of a file: %s: got %v, %v", kind, verb, o.got, o.err)
			}
			wantNoTemps(t, dir)
		}
	}
}

// TestSpecialInPlaceOfDirectory: what is no directory is an error for a listing, which
// cannot tell what was below it, and a writer says what is in its way.
func TestSpecialInPlaceOfDirectory(t *testing.T) {
	for kind, plant := range special {
		if kind == "directory" {
			continue
		}
		for _, at := range []string{"ltx", "ltx/0", "generations"} {
			for verb := range verbs {
				if !leadsThrough(verb, at) {
					continue
				}
				dir := t.TempDir()
				plantReplica(t, dir)
				must(t, os.RemoveAll(filepath.Join(dir, at)))
				plant(t, filepath.Join(dir, at))
				o := outcomeOf(t, verb, dir)
				ok := o.err != nil && strings.Contains(o.err.Error(), at)
				switch {
				case at == "ltx": // no client opens
				case strings.HasPrefix(verb, "Open"):
					ok = errors.Is(o.err, fs.ErrNotExist)
				case verb == "DeleteLTXFiles":
					ok = o.err == nil // there is no such file
				}
				if !ok || o.got != nil {
					t.Errorf("%s in place of %s: %s: got %v, %v", kind, at, verb, o.got, o.err)
				}
			}
		}
	}
}

// TestSpecialInPlaceOfRoot: a replica that is no directory is an error for all.
func TestSpecialInPlaceOfRoot(t *testing.T) {
	for kind, plant := range special {
		if kind == "directory" {
			continue
		}
		dir := filepath.Join(t.TempDir(), "replica")
		plant(t, dir)
		for _, path := range []string{dir, filepath.Join(dir, "below")} {
			for verb := range verbs {
				o := outcomeOf(t, verb, path)
				wantErr := path == dir || verb == "WriteLTXFile" || strings.HasPrefix(verb, "Open")
				if o.got != nil || wantErr && (o.err == nil || !strings.Contains(o.err.Error(), "replica")) {
					t.Errorf("%s at %s: %s: got %v, %v", kind, path, verb, o.got, o.err)
				}
			}
		}
	}
}
