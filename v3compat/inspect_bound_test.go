package v3compat

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
)

// endless lists segments for ever, and all else as its Reader does.
type endless struct{ blob.Reader }

func (e endless) List(_ context.Context, prefix string, _ blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for n := range 10_000 { // a test that fails should end, too
			if !yield(blob.Info{Key: fmt.Sprintf("%swal/%08x_00000000.wal.lz4", prefix, n), Size: 1}, nil) {
				return
			}
		}
	}
}

// TestInspectIsBounded: a listing that does not end takes no more memory than a
// generation may.
func TestInspectIsBounded(t *testing.T) {
	defer func(n int) { maxObjects = n }(maxObjects)
	maxObjects = 100
	_, err := New(endless{blob.NewMemory()}).Inspect(t.Context(), "0123456789abcdef", InspectOptions{})
	if err == nil || !strings.Contains(err.Error(), "more than 100 objects") {
		t.Errorf("got error %v", err)
	}
}
