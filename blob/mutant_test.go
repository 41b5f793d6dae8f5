package blob_test

import (
	"context"
	"io"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/blob/blobtest"
	"github.com/replctl/replicate/internal/mutant"
)

// TestMutants: metadata that are shared with the caller are what blobtest must not let pass.
func TestMutants(t *testing.T) {
	for name, m := range map[string]aliasing{"given": {given: true}, "returned": {returned: true}} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				blobtest.Run(t, blobtest.Harness{New: func(*testing.T) func() blob.Store {
					s := m
					s.Memory, s.shared = new(blob.Memory), map[string]map[string]string{}
					return func() blob.Store { return &s }
				}})
			}, "Aliasing")
		})
	}
}

// aliasing is a store that goes on using the metadata that it was given, or has returned.
type aliasing struct {
	*blob.Memory
	given, returned bool
	shared          map[string]map[string]string // by key
}

func (s *aliasing) Write(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
	info, err := s.Memory.Write(ctx, key, r, opts)
	if s.given {
		s.shared[key] = opts.Metadata
	}
	return info, err
}

func (s *aliasing) Stat(ctx context.Context, key string) (blob.Info, error) {
	info, err := s.Memory.Stat(ctx, key)
	if m, ok := s.shared[key]; ok {
		info.Metadata = m
	} else if s.returned {
		s.shared[key] = info.Metadata
	}
	return info, err
}
