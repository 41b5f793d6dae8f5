package postgres

import (
	"context"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/sqldb"
)

// Leaser is a lease in a database: see [sqldb.Leaser].
type Leaser = sqldb.Leaser

// NewLeaser returns a leaser whose record is in s.
func NewLeaser(s *Store) *Leaser {
	return sqldb.NewLeaser(LeaserType, func(context.Context) (cas.Store, error) { return s, nil })
}

// NewLeaserAt returns a leaser that opens a URL when it is first used.
func NewLeaserAt(url string, opts Options) *Leaser {
	return sqldb.NewLeaser(LeaserType, func(ctx context.Context) (cas.Store, error) { return Open(ctx, url, opts) })
}
