package kvtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/store/internal/record/recordtest"
	"github.com/replctl/replicate/store/kv"
)

// TestMutants: what the tests must not let pass.
func TestMutants(t *testing.T) {
	over := func(wrap func(*cas.Memory) cas.Store) engine {
		return engine{records: func(*testing.T) func() cas.Store {
			m := new(cas.Memory)
			return func() cas.Store { return wrap(m) }
		}}
	}
	quiet := over(func(m *cas.Memory) cas.Store { return m })
	quiet.decorate = func(s kv.Storage) kv.Storage { return silent{s} }
	for name, c := range map[string]struct {
		engine  engine
		subtest string
	}{
		"records without a lineage":    {over(func(m *cas.Memory) cas.Store { return resealed(m, false) }), "LostAnswers"},
		"records without a checksum":   {over(func(m *cas.Memory) cas.Store { return resealed(m, true) }), "Damaged"},
		"versions that repeat":         {over(func(m *cas.Memory) cas.Store { return floorless{m} }), "Versions"},
		"a lost lease, without a word": {quiet, "LostKeepAlive"},
	} {
		t.Run(name, func(t *testing.T) { mutant.MustFail(t, c.engine.run, c.subtest) })
	}
}

// silent is a storage whose leases are released without a word, when they are lost too.
type silent struct{ kv.Storage }

func (s silent) Lessor() kv.Lessor { return silentLessor{s.Storage.Lessor()} }

type silentLessor struct{ kv.Lessor }

func (l silentLessor) NewLease(ctx context.Context, ttl time.Duration, keepAlive bool) (kv.Lease, error) {
	made, err := l.Lessor.NewLease(ctx, ttl, keepAlive)
	if err != nil {
		return nil, err
	}
	return silentLease{made, made.(kept)}, nil
}

type silentLease struct {
	kv.Lease
	kept
}

func (l silentLease) Release() error {
	_ = l.Lease.Release()
	return nil
}

func resealed(m *cas.Memory, damaged bool) cas.Store {
	return recordtest.Resealed{Store: m, Formats: map[string]string{"kv/record/": "kv/1"}, Damaged: damaged}
}

// floorless is a store whose floor nobody can see.
type floorless struct{ *cas.Memory }

func (s floorless) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if strings.HasSuffix(key, "/floor") {
		return cas.Record{}, nil
	}
	return s.Memory.Read(ctx, key, known)
}

func (s floorless) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if strings.HasSuffix(key, "/floor") {
		return cas.Written{Token: "t"}, nil
	}
	return s.Memory.Write(ctx, key, value, expect)
}
