package replica_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/replica/restore"
)

// tablesImage is a database of n pages with a schema and, from page 2 on, rows.
func tablesImage(n int, schema, rows byte) fakereplica.Image {
	im := fakereplica.Image(bytes.Repeat([]byte{rows}, n*512))
	copy(im, bytes.Repeat([]byte{schema}, 512))
	return im
}

// TestSnapshotOfAnotherDatabase: a database that has nothing in common with the replica's
// is refused, and nothing is written; one that has changed is not.
func TestSnapshotOfAnotherDatabase(t *testing.T) {
	was := tablesImage(40, 7, 1)
	changed := slices.Clone(was)
	copy(changed[512*3:], bytes.Repeat([]byte{9}, 512*20))
	migrated := slices.Clone(changed)
	copy(migrated, bytes.Repeat([]byte{8}, 512))
	older := tablesImage(40, 7, 2)
	older[24]--
	small := tablesImage(3, 8, 2) // other tables, though no table was ever changed
	copy(small[:100], tablesImage(3, 7, 1)[:100])
	for name, test := range map[string]struct {
		first, second fakereplica.Image
		refused       bool
	}{
		"the same":                        {was, was, false},
		"half of it changed":              {was, changed, false},
		"its tables changed, too":         {was, migrated, false},
		"it shrank":                       {was, was[:512*5], false},
		"other tables, other rows":        {was, tablesImage(40, 8, 2), true},
		"the same tables, other rows":     {was, tablesImage(40, 7, 2), false}, // every row may have changed
		"the same tables, fewer changes":  {was, older, true},
		"a small one of the same tables":  {tablesImage(3, 7, 1), tablesImage(3, 7, 2), false},
		"a small one with newer tables":   {tablesImage(3, 7, 1), tablesImage(3, 8, 2), false},
		"a small one with other tables":   {tablesImage(3, 7, 1), small, true},
		"the first was empty but for one": {tablesImage(1, 0, 0), was, false},
	} {
		c := fakereplica.Client()
		if _, err := replica.WriteSnapshot(t.Context(), c, test.first,
			replica.SnapshotOptions{Time: fakereplica.Time(1)}); err != nil {
			t.Fatal(err)
		}
		files, err := replica.WriteSnapshot(t.Context(), c, test.second, replica.SnapshotOptions{Time: fakereplica.Time(2)})
		if errors.Is(err, replica.ErrOtherDatabase) != test.refused || (err == nil) == test.refused {
			t.Errorf("%s: got %v, want it refused: %v", name, err, test.refused)
		}
		if test.refused && (len(files) > 0 || !bytes.Equal(restored(t, c, restore.Target{}), test.first)) {
			t.Errorf("%s: %d files were written", name, len(files))
		}
		if _, err := replica.WriteSnapshot(t.Context(), c, test.second,
			replica.SnapshotOptions{Time: fakereplica.Time(3), Force: true}); err != nil {
			t.Errorf("%s, with force: %v", name, err)
		}
	}
}

// TestCopyOntoAnotherReplica: a replica that shares no object with the source is not
// written to; an earlier copy is.
func TestCopyOntoAnotherReplica(t *testing.T) {
	write := func(n int, im fakereplica.Image) *replica.Client {
		c := fakereplica.Client()
		for i := range n {
			opts := replica.SnapshotOptions{Time: fakereplica.Time(1), Archive: true}
			if _, err := replica.WriteSnapshot(t.Context(), c, im, opts); err != nil {
				t.Fatalf("snapshot %d: %v", i, err)
			}
		}
		return c
	}
	ours, theirs := tablesImage(20, 7, 1), tablesImage(20, 8, 2)
	src, dst := write(3, ours), write(1, theirs)
	shared := []*ltx.FileInfo{{Level: ltx.SnapshotLevel, MinTXID: 1, MaxTXID: 1}} // the one name that both have
	if err := src.DeleteLTXFiles(t.Context(), shared); err != nil {
		t.Fatal(err)
	}
	var conflict *mirror.ConflictError
	if rep, err := mirror.Copy(t.Context(), src, dst, mirror.Options{}); !errors.As(err, &conflict) || !conflict.Other {
		t.Errorf("got %+v, %v; want a conflict of whole replicas", rep, err)
	}
	if got := restored(t, dst, restore.Target{}); !bytes.Equal(got, theirs) {
		t.Error("the destination has another latest state")
	}
	if rep, err := mirror.Copy(t.Context(), src, dst, mirror.Options{Force: true}); err != nil || rep.Copied == 0 {
		t.Errorf("with force: %+v, %v", rep, err)
	}
	if rep, err := mirror.Copy(t.Context(), src, dst, mirror.Options{}); err != nil || rep.Copied != 0 {
		t.Errorf("again: %+v, %v", rep, err)
	}
}
