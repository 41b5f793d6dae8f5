//go:build realservers

package pgserver

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/postgres"
)

var schemas atomic.Int64

// Fresh names a schema that does not exist yet.
func Fresh() postgres.Options { return postgres.Options{Schema: fmt.Sprint("test_", schemas.Add(1))} }

// Pool opens a pool that all tests of a server may share.
func (s *Server) Pool(t testing.TB, params string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), s.URL(params))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Store returns records on a pool, until the test ends.
func Store(t testing.TB, pool *pgxpool.Pool, opts postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.New(pool, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// Records starts a server. What it returns makes fresh records there, and opens handles on
// them.
func Records(t *testing.T) func(t *testing.T) (open func() cas.Store) {
	pool := Start(t).Pool(t, "pool_max_conns=16")
	return func(t *testing.T) func() cas.Store {
		opts := Fresh()
		return func() cas.Store { return Store(t, pool, opts) }
	}
}
