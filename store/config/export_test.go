package config

import (
	"context"

	"github.com/replctl/replicate/lease"
)

// What tests of what happens without it replace.
var (
	Discard        = &discard
	LeaserOf       = &leaserOf
	ReleaseTimeout = &releaseTimeout
)

// Bury buries a content, whatever the head says.
var Bury = (*Store).buryUnlooked

func (s *Store) buryUnlooked(ctx context.Context, _, id string) { _ = s.bury(ctx, id) }

// NewLeaser is a leaser that knows of no earlier one.
func NewLeaser(s *Store, key int64) *lease.Leaser {
	return New(s.store, s.opts).leaser(key)
}
