package verbs_test

import (
	"context"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

// vanishing is a store in which one object is gone when it is read; then it is listed
// no more, unless the store goes on listing it.
type vanishing struct {
	blob.Store
	key    string
	listed bool
	gone   bool
}

func (v *vanishing) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if key != v.key {
		return v.Store.Open(ctx, key, offset, length)
	}
	if !v.gone && !v.listed {
		if err := v.Delete(ctx, []string{key}); err != nil {
			return nil, err
		}
	}
	v.gone = true
	return nil, &fs.PathError{Op: "open", Path: key, Err: fs.ErrNotExist}
}

// TestInspectVanished: a file that compaction has deleted since the listing is passed
// over, and one that the store goes on listing is a problem; the files after it count
// in either case.
func TestInspectVanished(t *testing.T) {
	for _, listed := range []bool{false, true} {
		dir := testreplica.Copy(t, "v0.5")
		open := func() *replica.Client {
			return replica.NewClient("file", ltx.LayoutFile, func(context.Context) (blob.Store, error) {
				return file.NewStore(dir, file.Options{}), nil
			})
		}
		whole, err := check.Inspect(t.Context(), open(), check.InspectOptions{Read: check.ReadAll})
		if err != nil {
			t.Fatal(err)
		}
		last := whole.LTX.Levels[0]
		key := ltx.LayoutFile.Key(last.Level, last.MinTXID, last.MinTXID)
		store := &vanishing{Store: file.NewStore(dir, file.Options{}), key: key, listed: listed}
		c := replica.NewClient("file", ltx.LayoutFile, func(context.Context) (blob.Store, error) { return store, nil })
		in, err := check.Inspect(t.Context(), c, check.InspectOptions{Read: check.ReadAll})
		if err != nil || !store.gone {
			t.Fatalf("Inspect: %v; read: %v", err, store.gone)
		}
		if got, want := in.LTX.Levels[0].Files, last.Files-1; got != want || in.LTX.MaxTXID != whole.LTX.MaxTXID {
			t.Errorf(
				"listed again %v: %d files up to %v, want %d up to %v",
				listed,
				got,
				in.LTX.MaxTXID,
				want,
				whole.LTX.MaxTXID,
			)
		}
		named := false
		for _, p := range in.Problems {
			named = named || p.Object == key && strings.Contains(p.Message, "does not exist")
		}
		if named != listed {
			t.Errorf("listed again %v: problems %v", listed, in.Problems)
		}
	}
}
