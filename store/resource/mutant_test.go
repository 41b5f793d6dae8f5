package resource_test

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/store/resource"
	"github.com/replctl/replicate/store/resource/resourcetest"
)

// TestMutants: what resourcetest must not let pass.
func TestMutants(t *testing.T) {
	for name, c := range map[string]struct {
		plant   func()
		subtest string
	}{
		"a log without a chain":            {resource.IgnorePredecessors, "OlderCopy"},
		"restored versions that were used": {resource.KeepVersions, "RestoreVersions"},
	} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				c.plant()
				resourcetest.Run(t, resourcetest.Harness{Records: func(*testing.T) func() cas.Store {
					m := new(cas.Memory)
					return func() cas.Store { return m }
				}})
			}, c.subtest)
		})
	}
}
