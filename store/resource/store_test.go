package resource_test

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
)

// The engines. Package resourcetest runs its suite over them.
func memory(*testing.T) func() cas.Store {
	m := new(cas.Memory)
	return func() cas.Store { return m }
}

func directory(t *testing.T) func() cas.Store {
	dir := t.TempDir()
	return func() cas.Store { return file.NewRecords(dir, file.Options{}) }
}

func fakeS3(t *testing.T) func() cas.Store {
	srv := fakes3.New(t)
	return func() cas.Store {
		return openS3(t, s3.Config{
			Bucket: srv.Bucket, Path: "some/prefix", Endpoint: srv.URL,
			AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey,
		})
	}
}

func openS3(t *testing.T, cfg s3.Config) cas.Store {
	t.Helper()
	r, err := s3.OpenRecords(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
