package configtest

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/store/internal/record/recordtest"
)

// TestMutants: what the tests over an engine must not let pass.
func TestMutants(t *testing.T) {
	for name, c := range map[string]struct {
		damaged bool
		formats map[string]string
		subtest string
	}{
		"records without a lineage": {false, map[string]string{"config/heads/": "config-head/1"}, "LostAnswers"},
		"records without a checksum": {true, map[string]string{
			"config/heads/": "config-head/1", "config/contents/": "config-content/1",
			"config/applied/": "config-status/1", "config/deleted/": "config-deleted/1",
		}, "Damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				engine{records: func(*testing.T) func() cas.Store {
					m := new(cas.Memory)
					return func() cas.Store { return recordtest.Resealed{Store: m, Formats: c.formats, Damaged: c.damaged} }
				}}.run(t)
			}, c.subtest)
		})
	}
}
