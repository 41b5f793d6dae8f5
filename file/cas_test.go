package file_test

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/file"
)

// noBatch is why a directory is no cas.Batcher.
const noBatch = "a rename replaces one file"

func TestRecords(t *testing.T) {
	castest.Run(t, castest.Harness{NoBatch: noBatch, New: func(t *testing.T) func() cas.Store {
		dir := t.TempDir() + "/not/yet/there"
		return func() cas.Store { return file.NewRecords(dir, file.Options{}) }
	}})
}
