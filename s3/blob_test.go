package s3

import (
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/blob/blobtest"
	"github.com/replctl/replicate/internal/fakes3"
)

func TestStore(t *testing.T) {
	blobtest.Run(t, blobtest.Harness{
		New: func(t *testing.T) func() blob.Store {
			srv := fakes3.New(t)
			return func() blob.Store { return newStore(t, srv, nil) }
		},
		NoModTime: "S3 shows the time of the upload",
	})
}
