package config_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/mutant"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/config/configtest"
)

// TestMutants: what configtest, and the tests here, must not let pass.
func TestMutants(t *testing.T) {
	suite := func(wrap func(cas.Store) cas.Store) func(*testing.T) {
		return func(t *testing.T) {
			configtest.Run(t, configtest.Harness{New: func(*testing.T) func() config.Storage {
				m := new(cas.Memory)
				return func() config.Storage { return config.New(wrap(m), config.Options{}) }
			}})
		}
	}
	for name, c := range map[string]struct {
		plant   func()
		suite   func(*testing.T)
		subtest string
	}{
		"deleted versions are forgotten": {nil, suite(func(s cas.Store) cas.Store { return forgetful{s} }), "KeptContent"},
		"a leaser for each call": {func() { *config.LeaserOf = config.NewLeaser }, func(t *testing.T) {
			t.Run("Memory", func(t *testing.T) { testLostLock(t, memory) })
		}, "Memory"},
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
