package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every page size, in both kinds of journal mode: the image of a closed database
// is its file, and nothing is left beside it.
func TestImageOfClosed(t *testing.T) {
	for page := 512; page <= 65536; page *= 2 {
		for _, journal := range []string{"wal", "delete"} {
			t.Run(fmt.Sprint(page, journal), func(t *testing.T) {
				path := database(t, journal, page)
				want, err := os.ReadFile(path)
				must(t, err)
				im := openImage(t, path)
				wantEqual(t, im.PageSize(), uint32(page))
				got, err := os.ReadFile(take(t, im, func() {}))
				must(t, err)
				must(t, im.Close())
				if !bytes.Equal(got, want) {
					t.Error("the image is not the file")
				}
				wantFiles(t, filepath.Dir(path), "some.db")
			})
		}
	}
}

// Any order gives the same pages, also between those of a scan.
func TestReadPageOrder(t *testing.T) {
	path := database(t, "wal", 512)
	file, err := os.ReadFile(path)
	must(t, err)
	im := openImage(t, path)
	defer im.Close()
	n := im.Pages()
	buf := make([]byte, 512)
	for _, pgno := range []uint32{9, 10, 1, 2, 3, 5, 6, 8, 4, 9, 7, 10, 1, 1, 2, n, n - 1, 3, n, 1, n} {
		must(t, im.ReadPage(pgno, buf))
		if !bytes.Equal(buf, file[(pgno-1)*512:pgno*512]) {
			t.Errorf("page %d differs", pgno)
		}
	}
	for _, pgno := range []uint32{0, n + 1} {
		if im.ReadPage(pgno, buf) == nil {
			t.Errorf("page %d of %d is read", pgno, n)
		}
	}
	if im.ReadPage(1, buf[:511]) == nil {
		t.Error("a short buffer is no error")
	}
}

func TestOpenThroughSymlink(t *testing.T) {
	_, path := crashed(t, "wal", 3)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Logf("symbolic links are not for us here: %v", err)
		link = path
	}
	wantEqual(t, wantSound(t, image(t, link)), 3)
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) {
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	write("empty", nil)
	write("short", []byte("hello"))
	write("text", []byte(strings.Repeat("some text ", 1000)))
	write("encrypted", bytes.Repeat([]byte{0x9e, 0x37, 0x79, 0xb9}, 4096))
	for _, c := range []struct {
		name string
		want error
	}{
		{"missing", fs.ErrNotExist},
		{"missing/below", fs.ErrNotExist},
		{"empty", ErrEmpty},
		{"short", ErrNotDatabase},
		{"text", ErrNotDatabase},
		{"encrypted", ErrNotDatabase},
		{".", ErrNotDatabase},
	} {
		path := filepath.Join(dir, c.name)
		if _, err := Open(t.Context(), path); !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := Open(t.Context(), "a\x00b"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a NUL byte: got %v", err)
	}
	wantFiles(t, dir, "empty", "encrypted", "short", "text")
}

// A context that is done ends the waiting for a lock, and an image.
func TestImageCancelled(t *testing.T) {
	path := database(t, "delete", 512)
	ctx, cancel := context.WithCancel(t.Context())
	im, err := Open(ctx, path)
	must(t, err)
	defer im.Close()
	buf := make([]byte, 512)
	must(t, im.ReadPage(1, buf))
	cancel()
	err = nil
	for range 3 { // a page that was on its way may still come
		err = errors.Join(err, im.ReadPage(2, buf), im.ReadPage(7, buf))
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := Open(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("open: got %v, want context.Canceled", err)
	}
}

// The lock page of a database of more than 1 GiB reads as zeros, whatever the file
// has there. The file has a hole of 1 GiB before it.
func TestReadLockPage(t *testing.T) {
	path := database(t, "delete", 65536)
	const lock = 1<<30/65536 + 1
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	word := []byte("content")
	for pgno := int64(lock - 1); pgno <= lock+1; pgno++ {
		_, err := f.WriteAt(word, (pgno-1)*65536)
		must(t, err)
	}
	must(t, f.Truncate((lock+1)*65536))
	_, err = f.WriteAt(binary.BigEndian.AppendUint32(nil, lock+1), 28) // pages in the header
	must(t, err)
	must(t, f.Close())
	im := openImage(t, path)
	defer im.Close()
	wantEqual(t, im.Pages(), uint32(lock+1))
	buf := make([]byte, 65536)
	for pgno, want := range map[uint32]bool{lock - 1: true, lock: false, lock + 1: true} {
		must(t, im.ReadPage(pgno, buf))
		wantEqual(t, bytes.HasPrefix(buf, word), want)
	}
}

// Files that are read without locks are watched.
func TestImageWithoutLocksChanged(t *testing.T) {
	_, path := crashed(t, "wal", 3)
	must(t, os.Remove(path+"-shm"))
	im, err := beginAlone(t.Context(), path, errors.New("no index"))
	must(t, err)
	defer im.Close()
	wantEqual(t, wantSound(t, take(t, im, func() {})), 3)
	if exists(path + "-shm") {
		t.Error("an index was made")
	}
	must(t, os.WriteFile(path+"-wal", []byte("another"), 0o600))
	if err := im.ReadPage(im.Pages(), make([]byte, im.PageSize())); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v, want ErrChanged", err)
	}
}

func BenchmarkReadPage(b *testing.B) {
	for _, page := range []int{512, 4096, 65536} {
		b.Run(fmt.Sprint(page), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "some.db")
			c, err := makeDatabase(b.Context(), path, page, "wal")
			must(b, err)
			_, err = c.ExecContext(b.Context(), "INSERT INTO log VALUES (1, randomblob(64<<20))")
			must(b, err)
			must(b, c.Close())
			im := openImage(b, path)
			defer im.Close()
			buf := make([]byte, page)
			b.SetBytes(int64(im.Pages()) * int64(page))
			for b.Loop() {
				for pgno := uint32(1); pgno <= im.Pages(); pgno++ {
					must(b, im.ReadPage(pgno, buf))
				}
			}
		})
	}
}
