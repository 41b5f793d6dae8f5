package file

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSortKeys: as slices.Sort, whatever the keys share.
func TestSortKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for name, key := range map[string]func(i int) string{
		"ltx":      func(i int) string { return fmt.Sprintf("ltx/0/%016x-%016x.ltx", i, i+r.IntN(3)) },
		"lengths":  func(i int) string { return "a/" + "bbbbbbbbbbbb"[:r.IntN(12)] + fmt.Sprint(i) },
		"zeros":    func(int) string { return "a" + string(make([]byte, r.IntN(20))) },
		"all same": func(int) string { return "same" },
		"nothing":  func(i int) string { return fmt.Sprint(r.IntN(1 << 30)) },
	} {
		var keys []string
		for i := range 3000 {
			keys = append(keys, key(i))
		}
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		want := slices.Sorted(slices.Values(keys))
		sortKeys(keys)
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
