package kv_test

import (
	"os"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/kv/kvtest"
)

func TestMain(m *testing.M) {
	fakes3.Isolate()
	os.Exit(m.Run())
}

func TestMemory(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, kvtest.Harness{Records: func(*testing.T) func() cas.Store {
		store := new(cas.Memory)
		return func() cas.Store { return store }
	}})
}

func TestFile(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, kvtest.Harness{Slow: true, Records: func(t *testing.T) func() cas.Store {
		dir := t.TempDir()
		return func() cas.Store { return file.NewRecords(dir, file.Options{}) }
	}})
}

func TestS3(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, kvtest.Harness{Slow: true, Records: func(t *testing.T) func() cas.Store {
		srv := fakes3.New(t)
		return func() cas.Store { return fakeBucket(t, srv) }
	}})
}

func fakeBucket(t *testing.T, srv *fakes3.Server) cas.Store {
	return bucket(t, s3.Config{
		Bucket: srv.Bucket, Endpoint: srv.URL, AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey,
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
