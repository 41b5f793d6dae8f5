package config_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/config/configtest"
	"github.com/replctl/replicate/store/internal/record"
)

// TestMutants: what configtest, and the tests here, must not let pass.
func TestMutants(t *testing.T) {
	suite := func(wrap func(cas.Store) cas.Store) func(*testing.T) {
		return func(t *testing.T) {
			configtest.Run(t, configtest.Harness{Records: func(*testing.T) func() cas.Store {
				m := new(cas.Memory)
				return func() cas.Store { return wrap(m) }
			}})
		}
	}
	plain := suite(func(s cas.Store) cas.Store { return s })
	resealing := func(damaged bool) func(*testing.T) {
		return suite(func(s cas.Store) cas.Store { return resealed{s, damaged} })
	}
	for name, c := range map[string]struct {
		plant   func()
		suite   func(*testing.T)
		subtest string
	}{
		"records without a lineage":         {nil, resealing(false), "LostAnswers"},
		"records without a checksum":        {nil, resealing(true), "Damaged"},
		"deleted versions are forgotten":    {nil, suite(func(s cas.Store) cas.Store { return forgetful{s} }), "KeptContent"},
		"a leaser for each call":            {func() { *config.LeaserOf = config.NewLeaser }, plain, "LostLock"},
		"contents that are buried unlooked": {func() { *config.Discard = config.Bury }, TestLyingStore, "20"},
		"a release as long as a renewal": {func() { *config.ReleaseTimeout = time.Hour }, func(t *testing.T) {
			t.Run("TestReleaseIsBounded", TestReleaseIsBounded)
		}, "TestReleaseIsBounded"},
	} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				if c.plant != nil {
					c.plant()
				}
				c.suite(t)
			}, c.subtest)
		})
	}
}

// forgetful is a store without the notes of deleted versions.
type forgetful struct{ cas.Store }

func (s forgetful) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if strings.HasPrefix(key, "config/deleted/") {
		return cas.Record{}, nil
	}
	return s.Store.Read(ctx, key, known)
}

// resealed is a store whose heads come with a new seal, as if each were the first of its
// key; if damaged is set, all records that are damaged do, and no others.
type resealed struct {
	cas.Store
	damaged bool
}

func (s resealed) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.Store.Read(ctx, key, known)
	var format record.Format
	for prefix, name := range map[string]string{
		"config/heads/": "config-head/1", "config/contents/": "config-content/1",
		"config/applied/": "config-status/1", "config/deleted/": "config-deleted/1",
	} {
		if strings.HasPrefix(key, prefix) {
			format = record.Format{Name: name, Corrupt: errors.New("corrupt")}
		}
	}
	if err != nil || !r.Exists() || r.Unchanged || format.Name == "" || !s.damaged && format.Name != "config-head/1" {
		return r, err
	}
	body, _, err := format.Open(r.Value)
	if err != nil && s.damaged {
		_, body, _ = bytes.Cut(r.Value, []byte("\n"))
	} else if err != nil || s.damaged {
		return r, nil
	}
	r.Value, _, err = format.Seal(body, record.Lineage{})
	return r, err
}
