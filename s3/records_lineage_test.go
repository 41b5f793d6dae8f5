package s3

import (
	"fmt"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/s3/internal/lineage"
)

// TestMemoryBound: a handle remembers the versions of some keys, and of no more.
func TestMemoryBound(t *testing.T) {
	r := new(Records)
	for i := range 3 * memoryKeys {
		key := fmt.Sprint("k", i)
		r.remember(key, version{cas.Record{Token: "t", Value: []byte("x")}, "l"})
		if l, ok := r.known(key, "t"); !ok || l != "l" || r.seen[key].Value != nil {
			t.Fatalf("%s: remembered %q, %v", key, l, ok)
		}
	}
	if len(r.seen) > memoryKeys {
		t.Errorf("%d keys remembered", len(r.seen))
	}
	r.remember("k", version{cas.Record{Token: "t"}, "l"})
	r.remember("k", version{cas.Record{Token: "t", Unchanged: true}, ""})
	if l, _ := r.known("k", "t"); l != "l" {
		t.Error("an answer that nothing has changed made the lineage be forgotten")
	}
	if l, ok := r.known("k", "another"); ok || l != "" {
		t.Error("the lineage of one version is taken for that of another")
	}
}

// TestLineageMutants: a conflict that is not proven, and lost races that never are,
// are what castest must not let pass.
func TestLineageMutants(t *testing.T) {
	t.Run("refusals are believed", func(t *testing.T) {
		mutant.MustFail(t, func(t *testing.T) {
			judge = func(p *put, now version) (cas.Written, error) {
				if string(now.Value) == string(p.value) {
					return cas.Written{Token: now.Token}, nil
				}
				return cas.Written{}, cas.ErrConflict
			}
			castest.Run(t, harness)
		}, "Repeated")
	})
	t.Run("no metadata", func(t *testing.T) {
		mutant.MustFail(t, func(t *testing.T) {
			h := harness
			h.New = func(t *testing.T) func() cas.Store {
				srv := fakes3.New(t)
				srv.Fail(fakes3.Rule{Times: -1, Match: fakes3.Op("PutObject"),
					Fault: fakes3.DropHeaders("X-Amz-Meta-" + lineage.Name)})
				return func() cas.Store { return newRecords(t, srv, nil) }
			}
			castest.Run(t, h)
		}, "CreateRace", "ReplaceRace")
	})
}
