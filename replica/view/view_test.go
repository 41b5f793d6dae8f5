package view_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// client is a client of a replica below testdata, in memory.
func client(t testing.TB, name string) *replica.Client {
	t.Helper()
	store := testreplica.Store(t, name)
	return replica.NewClient("memory", ltx.LayoutFile, func(context.Context) (blob.Store, error) { return store, nil })
}

// restored is the database that a restore gives.
func restored(t testing.TB, src replica.Source, target restore.Target) []byte {
	t.Helper()
	var db bytes.Buffer
	if _, err := restore.To(t.Context(), src, target, &db, restore.Options{}); err != nil {
		t.Fatal(err)
	}
	return db.Bytes()
}

func open(t testing.TB, src replica.Source, target restore.Target, opts view.Options) *view.View {
	t.Helper()
	v, err := view.Open(t.Context(), src, target, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// TestPages: at every recorded moment, the view has the bytes of the restored database.
func TestPages(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		c := client(t, name)
		facts := testreplica.Expected(t, name)
		targets := []restore.Target{{}}
		for _, instant := range facts.Instants {
			targets = append(targets, restore.Target{Timestamp: instant.At})
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		for _, target := range targets {
			want := restored(t, c, target)
			v := open(t, c, target, view.Options{PageCache: 5 * 4096})
			if v.Size() != int64(len(want)) {
				t.Fatalf("%s: size %d, want %d", name, v.Size(), len(want))
			}
			got, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size()))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s at %v: the view differs from the restored database: %v", name, target, err)
			}
			pages := int(v.Size()) / int(v.PageSize())
			buf := make([]byte, v.PageSize())
			for range 50 {
				off := int64(rnd.IntN(pages)) * int64(v.PageSize())
				if _, err := v.ReadAt(buf, off); err != nil || !bytes.Equal(buf, want[off:off+int64(len(buf))]) {
					t.Errorf("%s at %v: page at %d differs: %v", name, target, off, err)
				}
			}
		}
	}
}
