package kv_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/internal/record"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/kv/kvtest"
)

// TestMutants: what kvtest must not let pass.
func TestMutants(t *testing.T) {
	over := func(wrap func(cas.Store) cas.Store) kvtest.Harness {
		return kvtest.Harness{Records: func(*testing.T) func() cas.Store {
			m := new(cas.Memory)
			return func() cas.Store { return wrap(m) }
		}}
	}
	t.Run("records without a lineage", func(t *testing.T) {
		mutant.MustFail(t, func(t *testing.T) {
			kvtest.Run(t, over(func(s cas.Store) cas.Store { return resealed{s, false} }))
		}, "LostAnswers")
	})
	t.Run("records without a checksum", func(t *testing.T) {
		mutant.MustFail(t, func(t *testing.T) {
			kvtest.Run(t, over(func(s cas.Store) cas.Store { return resealed{s, true} }))
		}, "Damaged")
	})
	t.Run("a lost lease is released without a word", func(t *testing.T) {
		mutant.MustFail(t, func(t *testing.T) {
			*kv.EndSession = func(s *lease.Session, ctx context.Context) error { _ = s.Release(ctx); return nil }
			kvtest.Run(t, over(func(s cas.Store) cas.Store { return s }))
		}, "LostKeepAlive")
	})
}

// resealed is a store whose records come with a new seal, as if each were the first
// of its key, and those that are damaged, too, if damaged is set.
type resealed struct {
	cas.Store
	damaged bool
}

func (s resealed) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.Store.Read(ctx, key, known)
	if err != nil || !r.Exists() || r.Unchanged || !strings.HasPrefix(key, "kv/record/") {
		return r, err
	}
	format := record.Format{Name: "kv/1", Corrupt: errors.New("corrupt")}
	body, _, err := format.Open(r.Value)
	if err != nil && s.damaged {
		_, body, _ = bytes.Cut(r.Value, []byte("\n"))
	} else if err != nil || s.damaged {
		return r, nil
	}
	r.Value, _, err = format.Seal(body, record.Lineage{})
	return r, err
}
