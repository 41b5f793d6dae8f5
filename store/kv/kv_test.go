package kv_test

import (
	"os"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
)

func TestMain(m *testing.M) {
	fakes3.Isolate()
	os.Exit(m.Run())
}

func fakeBucket(t *testing.T, srv *fakes3.Server) cas.Store {
	t.Helper()
	store, err := s3.OpenRecords(t.Context(), s3.Config{
		Bucket: srv.Bucket, Path: "some/prefix", Endpoint: srv.URL,
		AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}
