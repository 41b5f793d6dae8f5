package cas_test

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
)

func TestMemory(t *testing.T) {
	castest.Run(t, castest.Harness{Unchanged: true, New: func(*testing.T) func() cas.Store {
		m := new(cas.Memory)
		return func() cas.Store { return m }
	}})
}
