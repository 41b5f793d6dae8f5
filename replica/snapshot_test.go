package replica_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

func restored(t *testing.T, c *replica.Client, target restore.Target) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := restore.To(t.Context(), c, target, &b, restore.Options{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWriteSnapshot: each snapshot is a state of its own, and time does not go back.
func TestWriteSnapshot(t *testing.T) {
	c := fakereplica.Client()
	start := time.UnixMilli(1_700_000_000_000).UTC()
	for i, at := range []time.Time{start, start.Add(time.Hour), start.Add(time.Minute)} {
		im := fakereplica.Pages(10+i, byte(i))
		files, err := replica.WriteSnapshot(
			t.Context(),
			c,
			im,
			replica.SnapshotOptions{Time: at, Force: true},
		) // not a page is the same
		if err != nil {
			t.Fatal(err)
		}
		base, info := files[0], files[1]
		if want := ltx.TXID(i + 1); info.Level != ltx.SnapshotLevel || info.MinTXID != 1 || info.MaxTXID != want {
			t.Errorf("snapshot %d is %+v", i, info)
		}
		if base.Level != 0 || base.MinTXID != info.MaxTXID || base.MaxTXID != info.MaxTXID {
			t.Errorf("at level 0 snapshot %d is %+v", i, base)
		}
		if want := start.Add(time.Duration(min(i, 1)) * time.Hour); !info.CreatedAt.Equal(want) {
			t.Errorf("snapshot %d is of %v, want %v", i, info.CreatedAt, want)
		}
		if got := restored(t, c, restore.Target{TXID: info.MaxTXID}); !bytes.Equal(got, im) {
			t.Errorf("snapshot %d: restored %d bytes, other than the %d of the image", i, len(got), len(im))
		}
	}
}

func TestWriteSnapshotBesideReplicator(t *testing.T) {
	_, c := fakereplica.New(t, fakereplica.File{Min: 1, Max: 7})
	im := fakereplica.Pages(3, 1)
	if _, err := replica.WriteSnapshot(t.Context(), c, im, replica.SnapshotOptions{Time: fakereplica.Time(9)}); !errors.Is(
		err,
		replica.ErrReplicated,
	) {
		t.Errorf("got %v, want ErrReplicated", err)
	}
	files, err := replica.WriteSnapshot(
		t.Context(),
		c,
		im,
		replica.SnapshotOptions{Time: fakereplica.Time(9), Continue: true, Archive: true},
	)
	if err != nil || len(files) != 1 || files[0].MaxTXID != 8 {
		t.Fatalf("got %+v, %v, want one file of transaction 8", files, err)
	}
	if got := restored(t, c, restore.Target{}); !bytes.Equal(got, im) {
		t.Errorf("restored %d bytes, other than the %d of the image", len(got), len(im))
	}
}

// failingImage ends in the middle.
type failingImage struct {
	fakereplica.Image
	err error
}

func (m failingImage) ReadPage(pgno uint32, buf []byte) error {
	if pgno > 5 {
		return m.err
	}
	return m.Image.ReadPage(pgno, buf)
}

// TestWriteSnapshotFails: then there is none.
func TestWriteSnapshotFails(t *testing.T) {
	c, broken := fakereplica.Client(), errors.New("disk I/O error")
	if _, err := replica.WriteSnapshot(t.Context(), c, failingImage{fakereplica.Pages(10, 1), broken},
		replica.SnapshotOptions{Time: time.Now()}); !errors.Is(
		err,
		broken,
	) {
		t.Errorf("got %v, want %v", err, broken)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := replica.WriteSnapshot(ctx, c, fakereplica.Pages(1000, 1), replica.SnapshotOptions{Time: time.Now()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if _, err := restore.NewPlan(t.Context(), c, restore.Target{}); !errors.Is(err, replica.ErrNoReplica) {
		t.Errorf("plan: %v, want ErrNoReplica", err)
	}
}
