package logstate_test

import (
	"errors"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/store/logstate"
)

// TestCost counts the requests that doc.go promises.
func TestCost(t *testing.T) {
	srv := fakes3.New(t)
	s := logstate.New(fake(t, srv))
	begin := func() logstate.LogStateWriteOps {
		w, err := s.WriteOps("log")
		return must(t, w, err)
	}
	read, err := s.ReadOps("log")
	must(t, read, err)
	for _, c := range []struct {
		name string
		want int
		op   func() error
	}{
		{"Init", 1, func() error { return s.Init() }},
		{"WriteOps", 0, func() error { return begin().Close() }},
		{"Set alone", 2, func() error { return begin().Set([]byte("one")) }},
		{"ReadOps and GetLatest", 1, func() error { return get(read) }},
		{"the transaction", 2, func() error {
			w := begin()
			return errors.Join(get(w), get(w), w.Set([]byte("two")), w.Close())
		}},
		{"Latest", 1, func() error { _, err := s.Latest("log"); return err }},
		{"Update", 2, func() error {
			return s.Update("log", func([]byte) ([]byte, error) { return []byte("three"), nil })
		}},
		{"Logs", 1, func() error { _, err := s.Logs(); return err }},
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

func get(ops logstate.LogStateReadOps) error {
	_, err := ops.GetLatest()
	return err
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
