package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
)

// An image of a database in WAL mode is of one moment, while another process
// commits and runs checkpoints between two of its pages.
func TestImageUnderLoadWAL(t *testing.T) {
	for i, page := range []int{512, 4096, 65536} {
		t.Run(fmt.Sprint(page), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "live.db")
			w := startWriter(t, plan{Path: path, Journal: "wal", Page: page, Seed: uint64(i)})
			after := 20 // the image must have these commits
			for range 8 {
				w.await(after)
				im := openImage(t, path)
				before := 0 // and none after these
				copied := take(t, im, func() {
					before = commitsNow(t, path)
					w.await(before + 10)
				})
				must(t, im.Close())
				if got := wantSound(t, copied); got < after || got > before {
					t.Errorf("an image has %d commits, want %d to %d", got, after, before)
				}
				after = before + 10
			}
		})
	}
}

// With a rollback journal writers wait for the image, and go on after it.
func TestImageUnderLoadJournal(t *testing.T) {
	for i, mode := range []string{"delete", "truncate", "persist"} {
		t.Run(mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "live.db")
			w := startWriter(t, plan{Path: path, Journal: mode, Page: 1024, Seed: uint64(i)})
			after := 20
			for range 8 {
				w.await(after)
				commits := wantSound(t, image(t, path))
				if commits < after {
					t.Errorf("an image has %d commits, want %d or more", commits, after)
				}
				after = commits + 2
			}
		})
	}
}

// commitsNow is the count of commits that a new reader of a live database sees.
func commitsNow(t *testing.T, path string) (n int) {
	t.Helper()
	c, err := connect(t.Context(), path, readOnly, busyTimeout)
	must(t, err)
	defer c.Close()
	must(t, c.QueryRowContext(t.Context(), "SELECT commits FROM counter").Scan(&n))
	return n
}
