package file

import (
	"context"
	"crypto/rand"
	"os"
	"testing"
	"time"

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
				castest.Run(t, castest.Harness{NoBatch: "it is a mutant", New: func(t *testing.T) func() cas.Store {
					dir := t.TempDir()
					return func() cas.Store { return hesitant{NewRecords(dir, Options{})} }
				}})
			}, "ReplaceRace", "Increments")
		})
	}
}

// hesitant writers ask late whether it is too late, which they do between comparing
// and renaming: others get to compare meanwhile, even where one processor is all that
// there is.
type hesitant struct{ *Records }

func (r hesitant) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	return r.Records.Write(hesitation{ctx}, key, value, expect)
}

type hesitation struct{ context.Context }

func (c hesitation) Err() error {
	time.Sleep(time.Millisecond)
	return c.Context.Err()
}
