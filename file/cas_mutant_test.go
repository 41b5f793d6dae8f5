package file

import (
	"context"
	"crypto/rand"
	"os"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/internal/mutant"
)

// TestRecordsMutants: compare, then rename, without excluding whoever does the
// same, is what castest must not let pass.
func TestRecordsMutants(t *testing.T) {
	for name, letters := range map[string]int{"a lock for each write": 26, "one lock of 32": 1} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				lockRecord = func(ctx context.Context, dir *os.Root, name string, perm os.FileMode) (*durable.Lock, error) {
					return durable.AcquireLock(ctx, dir, "."+rand.Text()[:letters]+name, perm)
				}
				castest.Run(t, castest.Harness{New: func(t *testing.T) func() cas.Store {
					dir := t.TempDir()
					return func() cas.Store { return NewRecords(dir, Options{}) }
				}})
			}, "ReplaceRace", "Increments")
		})
	}
}
