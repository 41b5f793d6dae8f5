package logstate_test

import (
	"context"
	"errors"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/logstate"
)

// TestCost counts the requests that doc.go promises.
func TestCost(t *testing.T) {
	srv := fakes3.New(t)
	s := logstate.New(bucket(t, s3.Config{Bucket: srv.Bucket, Endpoint: srv.URL, AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey}))
	ctx := t.Context()
	begin := func() *logstate.WriteOps {
		w, err := s.WriteOps(ctx, "log")
		return must(t, w, err)
	}
	read, err := s.ReadOps(ctx, "log")
	must(t, read, err)
	for _, c := range []struct {
		name string
		want int
		op   func() error
	}{
		{"Init", 1, func() error { return s.Init(ctx) }},
		{"WriteOps", 0, func() error { return begin().Close() }},
		{"Set alone", 2, func() error { return begin().Set(ctx, []byte("one")) }},
		{"ReadOps and GetLatest", 1, func() error { return get(ctx, read) }},
		{"the transaction", 2, func() error {
			w := begin()
			return errors.Join(get(ctx, w), get(ctx, w), w.Set(ctx, []byte("two")), w.Close())
		}},
		{"Logs", 1, func() error { _, err := s.Logs(ctx); return err }},
	} {
		srv.Reset()
		if err := c.op(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := srv.Count(""); got != c.want {
			t.Errorf("%s: %d requests, want %d", c.name, got, c.want)
		}
	}
}

func get(ctx context.Context, ops interface {
	GetLatest(context.Context) ([]byte, error)
}) error {
	_, err := ops.GetLatest(ctx)
	return err
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
