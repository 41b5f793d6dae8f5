package file_test

import (
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/blob/blobtest"
	"github.com/replctl/replicate/file"
)

func TestStore(t *testing.T) {
	blobtest.Run(t, blobtest.Harness{
		New: func(t *testing.T) func() blob.Store {
			dir := scratch(t) + "/not/yet/there"
			return func() blob.Store { return file.NewStore(dir, file.Options{}) }
		},
		NoMetadata: noMetadata(t, scratch(t)),
	})
}
