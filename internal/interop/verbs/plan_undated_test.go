package verbs_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

// timeless refuses to let the times of v0.3 generations be read.
type timeless struct{ blob.Store }

func (s timeless) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if path.Base(key) == "times.json" {
		return nil, &fs.PathError{Op: "open", Path: key, Err: fs.ErrPermission}
	}
	return s.Store.Open(ctx, key, offset, length)
}

// TestPlanUndated: where the time of the v0.3 state cannot be read, the LTX state in the
// same place is not taken for the newer one. A target without a time still works.
func TestPlanUndated(t *testing.T) {
	dir := testreplica.Copy(t, "damaged/both-formats")
	c := replica.NewClient("file", ltx.LayoutFile, func(context.Context) (blob.Store, error) {
		return timeless{file.NewStore(dir, file.Options{})}, nil
	})
	plan, err := restore.NewPlan(t.Context(), c, restore.Target{})
	if !errors.Is(err, replica.ErrDamaged) {
		t.Errorf("latest state: got %+v, %v, want damage", plan, err)
	}
	if _, err := restore.NewPlan(t.Context(), c, restore.Target{Generation: "cc3d8cd75808a4ef"}); err != nil {
		t.Errorf("latest state of a generation: %v", err)
	}
	if _, err := restore.NewPlan(t.Context(), c, restore.Target{TXID: 0x4d}); err != nil {
		t.Errorf("a transaction: %v", err)
	}
}
