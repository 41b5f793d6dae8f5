package verbs_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
)

// wrapping is a store that says more about a missing object than os.IsNotExist sees
// through.
type wrapping struct{ blob.Store }

func (w wrapping) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	rc, err := w.Store.Open(ctx, key, offset, length)
	if err != nil {
		return nil, fmt.Errorf("wrapped: %w", err)
	}
	return rc, nil
}

// emptied lists what another store has, and has none of it.
type emptied struct{ blob.Store }

func (e emptied) Open(ctx context.Context, key string, _, _ int64) (io.ReadCloser, error) {
	return wrapping{blob.NewMemory()}.Open(ctx, key, 0, 0)
}

// A missing object is os.IsNotExist from every method, whatever the store wraps.
func TestMissingIsNotExist(t *testing.T) {
	c := clientAt(wrapping{blob.NewMemory()})
	const generation = "0123456789abcdef"
	_, ltxErr := c.OpenLTXFile(t.Context(), 0, 1, 1, 0, 0)
	_, snapshotErr := c.OpenSnapshotV3(t.Context(), generation, 0)
	_, walErr := c.OpenWALSegmentV3(t.Context(), generation, 0, 0)
	itr, err := clientAt(
		emptied{storeOf(t, file.NewReplicaClient(testreplica.Dir(t, "v0.5")))},
	).LTXFiles(t.Context(), 0, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	if itr.Next() {
		t.Error("a file without a header is listed")
	}
	for what, err := range map[string]error{
		"OpenLTXFile": ltxErr, "OpenSnapshotV3": snapshotErr, "OpenWALSegmentV3": walErr,
		"LTXFiles": itr.Err(), "Close": itr.Close(),
	} {
		if !os.IsNotExist(err) {
			t.Errorf("%s: os.IsNotExist does not hold for %v", what, err)
		}
	}
}
