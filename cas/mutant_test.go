package cas_test

import (
	"context"
	"iter"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/mutant"
)

// TestMutants: values that are shared with the caller are what castest must not let pass.
func TestMutants(t *testing.T) {
	for name, m := range map[string]aliasing{"given": {given: true}, "returned": {returned: true}} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				castest.Run(t, castest.Harness{
					NoDelete: "it is a mutant", NoNotify: "it is a mutant", NoBatch: "it is a mutant",
					New: func(*testing.T) func() cas.Store {
						s := m
						s.memory, s.values = new(cas.Memory), map[cas.Token][]byte{}
						return func() cas.Store { return &s }
					},
				})
			}, "Aliasing")
		})
	}
}

// aliasing is a store that goes on using the values that it was given, or that it returns.
type aliasing struct {
	given, returned bool
	memory          *cas.Memory
	values          map[cas.Token][]byte
}

func (s *aliasing) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.memory.Read(ctx, key, "")
	if v, ok := s.values[r.Token]; ok {
		r.Value = v
	} else if s.returned {
		s.values[r.Token] = r.Value
	}
	return r, err
}

func (s *aliasing) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	w, err := s.memory.Write(ctx, key, value, expect)
	if s.given {
		s.values[w.Token] = value
	}
	return w, err
}

func (s *aliasing) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return s.memory.List(ctx, prefix, after)
}
