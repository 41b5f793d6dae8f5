package raft

import (
	"context"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/sqldb"
)

// Leaser is a lease on a few nodes: see [sqldb.Leaser], which knows nothing of SQL but the way to
// the records.
type Leaser = sqldb.Leaser

// NewLeaser returns a leaser whose record is in s, which reads strongly.
func NewLeaser(s *Records) *Leaser {
	return sqldb.NewLeaser(LeaserType, func(context.Context) (cas.Store, error) { return s, nil })
}
