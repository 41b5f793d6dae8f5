package kv_test

import (
	"context"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
)

// TestCreateBesideRemovals: whenever others create, replace and delete the record while it
// is being created, its version is above theirs.
func TestCreateBesideRemovals(t *testing.T) {
	steps := 0
	for at := 1; at == 1 || steps >= at; at++ {
		m := new(cas.Memory)
		other, err := kv.New(m, kv.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var last kv.Version
		steps = 0
		s, err := kv.New(&stepwise{m, func() {
			if steps++; steps != at {
				return
			}
			v, err := other.Create(t.Context(), kv.Record{Key: "k"})
			if err == nil {
				v, err = other.CasByVersion(t.Context(), kv.Record{Key: "k", Version: v})
			}
			if err == nil {
				err = other.Delete(t.Context(), "k")
			}
			if err != nil {
				t.Error(err)
			}
			last = v
		}}, kv.Options{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.Create(t.Context(), kv.Record{Key: "k"})
		if err != nil || v <= last {
			t.Errorf("others come before request %d: version %d after %d, %v", at, v, last, err)
		}
	}
	if steps < 4 {
		t.Errorf("%d requests: it was not created as expected", steps)
	}
}

// stepwise is a store that calls before each request.
type stepwise struct {
	*cas.Memory
	before func()
}

func (s *stepwise) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	s.before()
	return s.Memory.Read(ctx, key, known)
}

func (s *stepwise) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	s.before()
	return s.Memory.Write(ctx, key, value, expect)
}
