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
			w.await(20)
			last := 0
			for range 8 {
				im := openImage(t, path)
				copied := take(t, im, func() { w.await(10) })
				must(t, im.Close())
				commits := wantSound(t, copied)
				if commits < last+10 {
					t.Errorf("an image has %d commits, one before had %d and 10 more were seen", commits, last)
				}
				last = commits
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
			w.await(20)
			last := 0
			for range 8 {
				commits := wantSound(t, image(t, path))
				if commits <= last {
					t.Errorf("an image has %d commits, one before had %d", commits, last)
				}
				last = commits
				w.await(2)
			}
		})
	}
}
