package file_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/file"
)

// wantHint waits for a hint, and takes all there are.
func wantHint(t *testing.T, hints <-chan struct{}) {
	t.Helper()
	select {
	case _, ok := <-hints:
		if !ok {
			t.Fatal("the channel was closed")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no hint after a change")
	}
}

func mustPut(t *testing.T, r *file.Records, key, value string) {
	t.Helper()
	rec, err := r.Read(t.Context(), key, "")
	if err == nil {
		_, err = r.Write(t.Context(), key, []byte(value), rec.Token)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestNotifyThroughReplacement: directories that go, and come back, are watched
// again; and a link to a directory is as good as one.
func TestNotifyThroughReplacement(t *testing.T) {
	dir := t.TempDir()
	if runtime.GOOS != "windows" { // where links are a privilege
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
		dir = link
	}
	r := file.NewRecords(dir, file.Options{})
	mustPut(t, r, "a/b/c", "before")
	hints, err := r.Notify(t.Context(), "a/")
	if err != nil {
		t.Fatal(err)
	}
	for _, remove := range []string{"a", "a/b"} {
		if err := os.RemoveAll(filepath.Join(dir, remove)); err != nil {
			t.Fatal(err)
		}
		wantHintOf(t, r, hints, "a/b/c")
		wantHintOf(t, r, hints, "a/d/e")
	}
}

// wantHintOf writes a record several times: the hints of what was before come
// first, and not all at once.
func wantHintOf(t *testing.T, r *file.Records, hints <-chan struct{}, key string) {
	t.Helper()
	for range 5 {
		mustPut(t, r, key, time.Now().String())
		wantHint(t, hints)
	}
}

// TestNotifyMakesNothing: what does not exist is waited for where it will be.
func TestNotifyMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	r := file.NewRecords(dir, file.Options{})
	hints, err := r.Notify(t.Context(), "a/b/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("watching has made a directory (%v)", err)
	}
	wantHintOf(t, r, hints, "a/b/c")
}

// TestNotifyEnds: neither goroutines nor descriptors are left.
func TestNotifyEnds(t *testing.T) {
	r := file.NewRecords(t.TempDir(), file.Options{})
	mustPut(t, r, "a/b", "x")
	before := descriptors(t)
	ctx, cancel := context.WithCancel(t.Context())
	for range 20 {
		if _, err := r.Notify(ctx, ""); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		running := strings.Contains(stacks, "file.(*notifier)") || strings.Contains(stacks, "fsnotify")
		if !running && descriptors(t) <= before {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d descriptors, %d before; running:\n%s", descriptors(t), before, stacks)
		}
	}
}

// descriptors is how many this process has open, where that can be told.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(entries)
}

func TestNotifyRefuses(t *testing.T) {
	r := file.NewRecords(t.TempDir(), file.Options{})
	if _, err := r.Notify(t.Context(), "../"); err == nil {
		t.Error("a prefix outside is watched")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Notify(ctx, ""); err == nil {
		t.Error("a context that has ended is watched under")
	}
}
