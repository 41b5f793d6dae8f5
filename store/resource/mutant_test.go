package resource_test

import (
	"testing"

	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/store/resource"
	"github.com/replctl/replicate/store/resource/resourcetest"
)

// TestMutants: what resourcetest, and the tests here, must not let pass.
func TestMutants(t *testing.T) {
	for name, c := range map[string]struct {
		plant   func()
		suite   func(t *testing.T)
		subtest string
	}{
		"a log without a chain":            {resource.IgnorePredecessors, TestOlderCopy, "Memory"},
		"restored versions that were used": {resource.KeepVersions, suite, "RestoreVersions"},
	} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				c.plant()
				c.suite(t)
			}, c.subtest)
		})
	}
}

func suite(t *testing.T) {
	resourcetest.Run(t, resourcetest.Harness{New: func(t *testing.T) func() resource.Backend {
		open := memory(t)
		return func() resource.Backend { return opened(t, open(), options) }
	}})
}
