package bench

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/replctl/replicate/ltx"
)

// sortInfos is for Litestream's file client, which lists in no order.
func sortInfos(infos []ltx.FileInfo) {
	slices.SortFunc(infos, func(a, b ltx.FileInfo) int {
		return cmp.Or(cmp.Compare(a.MinTXID, b.MinTXID), cmp.Compare(a.MaxTXID, b.MaxTXID))
	})
}

// same calls both and returns what they have to agree on.
func same[T any](t *testing.T, what string, ours, theirs func(context.Context) ([]T, error)) []T {
	t.Helper()
	got, err1 := ours(t.Context())
	want, err2 := theirs(t.Context())
	if err := errors.Join(err1, err2); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-litestream +ours):\n%s", what, diff)
	}
	return got
}

func with[T any](generation string, fn func(context.Context, string) ([]T, error)) func(context.Context) ([]T, error) {
	return func(ctx context.Context) ([]T, error) { return fn(ctx, generation) }
}

func content(t *testing.T) func(io.ReadCloser, error) []byte {
	return func(rc io.ReadCloser, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err := errors.Join(err, rc.Close()); err != nil {
			t.Fatal(err)
		}
		return data
	}
}
