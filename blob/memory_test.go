package blob_test

import (
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/blob/blobtest"
)

func TestMemory(t *testing.T) {
	blobtest.Run(t, blobtest.Harness{New: func(*testing.T) func() blob.Store {
		m := blob.NewMemory()
		return func() blob.Store { return m }
	}})
}
