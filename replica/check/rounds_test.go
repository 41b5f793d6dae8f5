package check

import (
	"fmt"
	"testing"

	"github.com/replctl/replicate/internal/fakereplica"
)

// In 1/Subset rounds each object is read at least once, and about Subset of them in
// each round.
func TestSubsetCoversAllInRounds(t *testing.T) {
	const objects = 20_000
	for _, tt := range []struct {
		subset float64
		rounds uint64
	}{{0.05, 20}, {1.0 / 20, 20}, {1.0 / 3, 3}, {0.3, 4}, {0.6, 2}, {1, 1}} {
		for _, first := range []uint64{0, 20_785, 1 << 60} {
			read := map[string]bool{}
			for round := range tt.rounds {
				n := 0
				for i := range objects {
					key := fmt.Sprintf("ltx/0/%016x.ltx", i)
					if inSubset(key, tt.subset, first+round) {
						read[key] = true
						n++
					}
				}
				if share := float64(n) / objects; share < tt.subset*0.8 || share > tt.subset*1.2 {
					t.Errorf("subset %v, round %d: a share of %v is read", tt.subset, first+round, share)
				}
			}
			if len(read) != objects {
				t.Errorf("subset %v, %d rounds from %d: %d of %d objects are read", tt.subset, tt.rounds, first, len(read), objects)
			}
		}
	}
}

// TestGroupsAreAPartition: each object is in one group, and the groups are about even.
func TestGroupsAreAPartition(t *testing.T) {
	const objects, groups = 20_000, 20
	for i := range objects {
		key, in := fmt.Sprintf("ltx/0/%016x.ltx", i), 0
		for group := uint64(1); group <= groups; group++ {
			if (Options{Group: group, Groups: groups}).wants()(key) {
				in++
			}
		}
		if in != 1 {
			t.Fatalf("%s is in %d groups", key, in)
		}
	}
	n := 0
	for i := range objects {
		if (Options{Group: 7, Groups: groups}).wants()(fmt.Sprintf("ltx/0/%016x.ltx", i)) {
			n++
		}
	}
	if n < objects/groups*8/10 || n > objects/groups*12/10 {
		t.Errorf("group 7 has %d of %d", n, objects)
	}
}

func TestGroupsAreChecked(t *testing.T) {
	src := fakereplica.Client()
	for _, opts := range []Options{{Group: 1}, {Group: 6, Groups: 5}, {Groups: 5}, {Group: 1, Groups: 2, Subset: 0.5}} {
		if _, err := Run(t.Context(), src, opts); err == nil {
			t.Errorf("%+v is no error", opts)
		}
	}
}
