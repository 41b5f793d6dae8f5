package file

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
)

// TestRecordsInTheWay: what is no record cannot be read as one, nor replaced.
func TestRecordsInTheWay(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("outside"), 0o600))
	for name, plant := range map[string]func(path string) error{
		"link":            func(path string) error { return os.Symlink("target", path) },
		"link outwards":   func(path string) error { return os.Symlink(outside, path) },
		"link to nothing": func(path string) error { return os.Symlink("nothing", path) },
		"too large":       func(path string) error { return os.WriteFile(path, make([]byte, cas.MaxValueSize+1), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			r, dir := newRecords(t)
			must(t, os.WriteFile(dir+"/target", []byte("target"), 0o600))
			must(t, plant(dir+"/k"))
			if _, err := r.Read(t.Context(), "k", ""); err == nil || errors.Is(err, cas.ErrTooLarge) != (name == "too large") {
				t.Errorf("Read: got error %v", err)
			}
			for _, expect := range []cas.Token{"", tokenOf([]byte("target")), tokenOf([]byte("outside"))} {
				if err := wantFailedWrite(t, r, "k", expect); errors.Is(err, cas.ErrConflict) {
					t.Errorf("Write: got error %v, which sends the caller to read", err)
				}
			}
			wantFiles(t, dir, "k", "target")
		})
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "outside" {
		t.Errorf("the file outside is %q, %v", got, err)
	}
}

// TestRecordsDirectories: a directory has room for records below it, and is none. A
// record has none, and what was below it cannot be told.
func TestRecordsDirectories(t *testing.T) {
	r, dir := newRecords(t)
	_, err := r.Write(t.Context(), "a/b", []byte("v"), "")
	must(t, err)
	for _, key := range []string{"a", "a/b/c"} {
		if rec, err := r.Read(t.Context(), key, ""); rec.Exists() || (err != nil) != (key == "a/b/c") {
			t.Errorf("Read(%q): got %+v, %v", key, rec, err)
		}
		if err := wantFailedWrite(t, r, key, ""); errors.Is(err, cas.ErrConflict) {
			t.Errorf("Write(%q): got error %v, which sends the caller to read", key, err)
		}
	}
	must(t, os.Symlink("..", dir+"/a/up"))
	must(t, os.Symlink("/", dir+"/root"))
	if rec, err := r.Read(t.Context(), "a/up/a/b", ""); err != nil || string(rec.Value) != "v" {
		t.Errorf("Read by way of a link: got %+v, %v", rec, err)
	}
	if _, err := r.Read(t.Context(), "root/etc/passwd", ""); err == nil {
		t.Error("Read by way of a link that leads out succeeds")
	}
	wantFailedWrite(t, r, "root/tmp/k", "")
}

// TestRecordsList: what no key can name is not listed, what is no record is not
// passed over silently.
func TestRecordsList(t *testing.T) {
	r, dir := newRecords(t)
	for _, key := range []string{"k", "a/b/c"} {
		_, err := r.Write(t.Context(), key, []byte("v"), "")
		must(t, err)
	}
	temp := ".replicate-ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp"
	for _, name := range []string{temp, ".hidden", "UPPER", "sp ace", "A/x", ".git/config", "a/" + temp, "a/.hidden"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	must(t, os.WriteFile(dir+"/big", make([]byte, cas.MaxValueSize+1), 0o600))
	must(t, os.MkdirAll(dir+"/empty/er", 0o700))
	list := func() (keys []string, err error) {
		for e, err := range r.List(t.Context(), "", "") {
			if err != nil {
				return keys, err
			}
			if e.Token == "" {
				t.Errorf("%s has no token", e.Key)
			}
			keys = append(keys, e.Key)
		}
		return keys, nil
	}
	if got, err := list(); err != nil || !slices.Equal(got, []string{"a/b/c", "big", "k"}) {
		t.Errorf("listed %q, %v", got, err)
	}
	must(t, os.Symlink("k", dir+"/link"))
	if got, err := list(); err == nil || len(got) != 3 || !strings.Contains(err.Error(), "link") {
		t.Errorf("listed with a link %q, %v", got, err)
	}
}

// TestLockFilesAreNoObjects: in a directory that is a blob.Store as well.
func TestLockFilesAreNoObjects(t *testing.T) {
	r, dir := newRecords(t)
	_, err := r.Write(t.Context(), "lock.json", []byte("v"), "")
	must(t, err)
	must(t, os.WriteFile(dir+"/.other.LOCK", nil, 0o600))
	s := NewStore(dir, Options{})
	var keys []string
	for info, err := range s.List(t.Context(), "", blob.ListOptions{}) {
		must(t, err)
		keys = append(keys, info.Key)
	}
	if want := []string{".other.LOCK", "lock.json"}; !slices.Equal(keys, want) {
		t.Errorf("objects %q, want %q", keys, want)
	}
	if _, err := s.Stat(t.Context(), ".lock.json.lock"); !errors.Is(err, blob.ErrInvalidKey) {
		t.Errorf("Stat of a lock file: got error %v", err)
	}
	if err := s.Delete(t.Context(), []string{".lock.json.lock"}); !errors.Is(err, blob.ErrInvalidKey) {
		t.Errorf("Delete of a lock file: got error %v", err)
	}
	wantFiles(t, dir, ".lock.json.lock", ".other.LOCK", "lock.json")
}

// TestZeroRecords: what NewRecords and NewStore did not make returns errors, and makes nothing.
func TestZeroRecords(t *testing.T) {
	t.Chdir(t.TempDir())
	var r Records
	_, readErr := r.Read(t.Context(), "k", "")
	_, writeErr := r.Write(t.Context(), "k", nil, "")
	_, notifyErr := r.Notify(t.Context(), "")
	var s Store
	_, putErr := s.Write(t.Context(), "k", strings.NewReader("v"), blob.WriteOptions{})
	errs := []error{readErr, writeErr, notifyErr, putErr, r.Delete(t.Context(), "k", "token")}
	for _, err := range r.List(t.Context(), "", "") {
		errs = append(errs, err)
	}
	for i, err := range errs {
		if !errors.Is(err, errNoDirectory) {
			t.Errorf("operation %d: got error %v", i, err)
		}
	}
	if len(errs) != 6 {
		t.Errorf("%d errors, want 6", len(errs))
	}
	wantFiles(t, ".")
}
