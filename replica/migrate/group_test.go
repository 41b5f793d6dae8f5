package migrate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

// TestGroups: files of level 2 have all that level 1 has, whole groups or not.
func TestGroups(t *testing.T) {
	facts := testreplica.Expected(t, "v0.3")
	client := func(store blob.Store) *replica.Client {
		return replica.NewClient("memory", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return store, nil })
	}
	src := client(testreplica.Store(t, "v0.3"))
	for _, n := range []int{10, 102, 103} {
		store := blob.NewMemory()
		dst := client(store)
		m, err := Run(t.Context(), src, dst, Options{History: true, TempDir: t.TempDir(), group: n})
		if err != nil {
			t.Fatal(err)
		}
		var drop []string
		groups := 0
		for info, err := range store.List(t.Context(), "", blob.ListOptions{}) {
			_, level, _, last, parseErr := ltx.ParseKey(info.Key)
			if err != nil || parseErr != nil {
				t.Fatal(err, parseErr)
			}
			switch {
			case level == 2:
				groups++
			case level == 1, level == ltx.SnapshotLevel && last == m.TXID:
				drop = append(drop, info.Key)
			}
		}
		if want := (int(m.TXID) - 1 + n - 1) / n; groups != want {
			t.Errorf("groups of %d: %d files of level 2, want %d", n, groups, want)
		}
		if err := store.Delete(t.Context(), drop); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := restore.To(t.Context(), dst, restore.Target{}, &b, restore.Options{}); err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b.Bytes()); hex.EncodeToString(sum[:]) != facts.DBSHA256 {
			t.Errorf("groups of %d: another database", n)
		}
	}
}
