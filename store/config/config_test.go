package config_test

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
)

// The engines. Package configtest runs its suite over them.
func memory(*testing.T) func() cas.Store {
	store := new(cas.Memory)
	return func() cas.Store { return store }
}

func directory(t *testing.T) func() cas.Store {
	dir := t.TempDir()
	return func() cas.Store { return file.NewRecords(dir, file.Options{}) }
}

func fakeS3(t *testing.T) func() cas.Store {
	srv := fakes3.New(t)
	return func() cas.Store { return fake(t, srv) }
}

func fake(t *testing.T, srv *fakes3.Server) cas.Store {
	return bucket(t, s3.Config{
		Bucket: srv.Bucket, Endpoint: srv.URL,
		AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey,
	})
}

func bucket(t *testing.T, cfg s3.Config) cas.Store {
	t.Helper()
	cfg.Path = "some/prefix"
	store, err := s3.OpenRecords(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}
