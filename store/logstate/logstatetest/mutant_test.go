package logstatetest

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
		subtest string
	}{"records without a lineage": {false, "LostAnswers"}, "records without a checksum": {true, "DataLoss"}} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				engine{records: func(*testing.T) func() cas.Store {
					m := new(cas.Memory)
					return func() cas.Store {
						return recordtest.Resealed{Store: m, Formats: map[string]string{"": "logstate/1"}, Damaged: c.damaged}
					}
				}}.run(t)
			}, c.subtest)
		})
	}
}
