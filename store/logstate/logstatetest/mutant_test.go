package logstatetest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/store/internal/record"
)

// TestMutants: what the tests over an engine must not let pass.
func TestMutants(t *testing.T) {
	for name, c := range map[string]struct {
		damaged bool
		subtest string
	}{"records without a lineage": {false, "LostAnswers"}, "records without a checksum": {true, "DataLoss"}} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				engine{records: func(*testing.T) func() cas.Store {
					m := new(cas.Memory)
					return func() cas.Store { return resealed{m, c.damaged} }
				}}.run(t)
			}, c.subtest)
		})
	}
}

// resealed is a store whose records come with a new seal, as if each were the first
// of its key, and those that are damaged, too, if damaged is set.
type resealed struct {
	cas.Store
	damaged bool
}

func (s resealed) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.Store.Read(ctx, key, known)
	if err != nil || !r.Exists() || r.Unchanged {
		return r, err
	}
	format := record.Format{Name: "logstate/1", Corrupt: errors.New("corrupt")}
	body, _, err := format.Open(r.Value)
	if err != nil && s.damaged {
		_, body, _ = bytes.Cut(r.Value, []byte("\n"))
	} else if err != nil || s.damaged {
		return r, nil
	}
	r.Value, _, err = format.Seal(body, record.Lineage{})
	return r, err
}
