package durable

import (
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"
)

var then = time.Date(2024, 2, 29, 12, 30, 45, 678901000, time.UTC)

func TestPublishReplaces(t *testing.T) {
	root := openRoot(t)
	for _, content := range []string{"first", "2nd"} {
		temp := makeTemp(t, root, content)
		if content == "2nd" {
			wantContent(t, root, "name", "first")
		} else {
			wantGone(t, root, "name")
		}
		must(t, temp.Publish("name", then, false))
		wantContent(t, root, "name", content)
		fi, err := root.Stat("name")
		if err != nil || !fi.ModTime().Equal(then) {
			t.Errorf("modified %v, %v, want %v", fi.ModTime(), err, then)
		}
		temp.Abort() // has nothing left to do
		wantNames(t, root, "name")
	}
}

func TestPublishExclusive(t *testing.T) {
	root := openRoot(t)
	must(t, makeTemp(t, root, "first").Publish("name", then, true))
	err := makeTemp(t, root, "second").Publish("name", time.Time{}, true)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("got error %v, want one that is %v", err, fs.ErrExist)
	}
	wantContent(t, root, "name", "first")
	wantNames(t, root, "name")
}

func TestPublishFails(t *testing.T) {
	root := openRoot(t)
	must(t, root.MkdirAll("name/below", 0o700))
	if err := makeTemp(t, root, "x").Publish("name", then, false); err == nil {
		t.Error("a file replaces a directory")
	}
	if err := makeTemp(t, root, "x").Publish("../escaped", then, false); err == nil {
		t.Error("a name leads out of the directory")
	}
	if err := makeTemp(t, root, "x").Publish("../escaped", then, true); err == nil {
		t.Error("a name leads out of the directory")
	}
	swept := makeTemp(t, root, "x")
	must(t, root.Remove(swept.name))
	if err := swept.Publish("other", then, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a temporary that is gone: %v", err)
	}
	wantNames(t, root, "name")
}

func TestAbort(t *testing.T) {
	root := openRoot(t)
	temp := makeTemp(t, root, "x")
	temp.Abort()
	temp.Abort()
	wantNames(t, root)
}

func TestTempNames(t *testing.T) {
	root := openRoot(t)
	a, b := makeTemp(t, root, "a"), makeTemp(t, root, "b")
	defer a.Abort()
	defer b.Abort()
	if a.name == b.name || !IsTempName(a.name) || !IsTempName(b.name) {
		t.Errorf("names %q and %q", a.name, b.name)
	}
	for _, name := range []string{
		"", ".tmp", "x" + a.name, a.name + "x", ".replicate-.tmp", ".replicate-ABC.tmp",
		"0000000000000001-0000000000000001.ltx", "0000000000000001-0000000000000001.ltx.tmp", a.name[:20] + "/" + a.name[20:],
	} {
		if IsTempName(name) {
			t.Errorf("%q passes for a temporary", name)
		}
	}
}

// TestSweepWhileWriting: however the two interleave, no live writer loses its
// temporary, and nothing is left over.
func TestSweepWhileWriting(t *testing.T) {
	root := openRoot(t)
	done := make(chan struct{})
	var sweepers, writers sync.WaitGroup
	for range 2 {
		sweepers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if n, err := Sweep(root); err != nil {
					t.Errorf("sweep: %d, %v", n, err)
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range 100 {
				temp, err := CreateTemp(root, 0o600)
				if err != nil {
					t.Error(err)
					return
				}
				if i%3 == 0 {
					temp.Abort()
				} else if err := temp.Publish(string(rune('a'+w)), then, false); err != nil {
					t.Errorf("a live temporary was swept: %v", err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	sweepers.Wait()
	wantNames(t, root, "a", "b", "c", "d")
}
