package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
)

// TestNamesAreAListing: listings of names that were listed are those of the store.
func TestNamesAreAListing(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 1))
	segments := []string{"a", "a.b", "b", "ltx", "0", "1"}
	for range 200 {
		store := blob.NewMemory()
		for range r.IntN(20) {
			var key []string
			for range 1 + r.IntN(4) {
				key = append(key, segments[r.IntN(len(segments))])
			}
			store.Write(t.Context(), strings.Join(key, "/"), strings.NewReader("x"), blob.WriteOptions{}) // or it cannot be one
		}
		n, err := listNames(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			prefix := ""
			for range r.IntN(3) {
				prefix += segments[r.IntN(len(segments))] + "/"
			}
			opts := blob.ListOptions{Delimited: r.IntN(2) == 0, Limit: r.IntN(4)}
			if r.IntN(2) == 0 {
				opts.After = prefix + segments[r.IntN(len(segments))]
			}
			want, got := keys(t, store, prefix, opts), keys(t, n, prefix, opts)
			if !slices.Equal(got, want) {
				t.Fatalf("list %q %+v: %q, want %q", prefix, opts, got, want)
			}
		}
	}
}

func keys(t *testing.T, s blob.Reader, prefix string, opts blob.ListOptions) (keys []string) {
	t.Helper()
	for info, err := range s.List(t.Context(), prefix, opts) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, fmt.Sprint(info.Key, info.Size))
	}
	return keys
}
