package verbs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

// twoWays has a database of n pages in two files, of which one shows only with its
// last byte that it is damaged.
func twoWays(t *testing.T, n int) *replica.Client {
	t.Helper()
	c := fakereplica.Client()
	files, err := replica.WriteSnapshot(t.Context(), c, fakereplica.Pages(n, 1),
		replica.SnapshotOptions{Time: fakereplica.Time(1)})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	opts := ltx.SnapshotOptions{TXID: 1, Time: fakereplica.Time(1), PageSize: 512, Commit: uint32(n)}
	if _, err := ltx.WriteSnapshot(&b, opts, fakereplica.Pages(n, 1).ReadPage); err != nil {
		t.Fatal(err)
	}
	b.Bytes()[b.Len()-1] ^= 1
	c.CreateOnly = false
	if _, err := c.WriteLTXFile(t.Context(), files[0].Level, 1, 1, &b); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAttemptStream: what was written to a stream is not written again behind it.
func TestAttemptStream(t *testing.T) {
	const small, large = 10, 2000 // pages; the large one does not fit into a buffer
	for n, partial := range map[int]bool{small: false, large: true} {
		c := twoWays(t, n)
		var out bytes.Buffer
		_, err := restore.To(t.Context(), c, restore.Target{}, &out, restore.Options{})
		if errors.Is(err, restore.ErrPartial) != partial || errors.Is(err, ltx.ErrCorrupt) != partial {
			t.Errorf("%d pages: got %v", n, err)
		}
		if !partial && !bytes.Equal(out.Bytes(), fakereplica.Pages(n, 1)) {
			t.Errorf("%d pages: %d bytes came out", n, out.Len())
		}
		if out.Len() > n*512 {
			t.Errorf("%d pages: %d bytes were written", n, out.Len())
		}
	}
}

// TestAttemptOtherErrors: an output that cannot be is no reason to plan again.
func TestAttemptOtherErrors(t *testing.T) {
	c := file.NewReplicaClient(testreplica.Copy(t, "v0.3"))
	missing := &fs.PathError{Op: "write", Path: "pipe", Err: fs.ErrNotExist}
	_, err := restore.To(t.Context(), c, restore.Target{}, failingWriter{missing}, restore.Options{
		Around: func(err error) { t.Errorf("again: %v", err) },
	})
	if !errors.Is(err, missing) {
		t.Errorf("got %v, want %v", err, missing)
	}
}
