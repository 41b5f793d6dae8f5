package kv

import (
	"cmp"
	"context"
	"fmt"

	"github.com/replctl/replicate/cas"
)

// WaitForVersionChange implements [Storage].
func (s *Store) WaitForVersionChange(ctx context.Context, key Key, version Version) (Record, error) {
	r, err := s.wait(ctx, key, version)
	if err == nil {
		return r, nil
	}
	err = cmp.Or(context.Cause(ctx), err) // whatever the store made of it
	return Record{}, fmt.Errorf("wait for a change of %q from version %d: %w", key, version, err)
}

func (s *Store) wait(ctx context.Context, key Key, version Version) (Record, error) {
	e, live, err := s.get(ctx, key, entry{})
	switch {
	case err != nil:
		return Record{}, err
	case !live:
		return Record{}, ErrNotFound
	}
	// Nobody tells when a lease expires.
	prefix, patience := recordPrefix, 5*s.opts.PollEvery
	if e.Lease != NoLeaseId {
		prefix, patience = root, s.opts.PollEvery
	}
	if e.Version == version {
		err = cas.Changes(ctx, s.store, prefix, s.opts.PollEvery, patience, func(ctx context.Context) (bool, error) {
			e, live, err = s.get(ctx, key, e)
			return !live || e.Version != version, err
		})
	}
	if err != nil || !live {
		return Record{}, err
	}
	return e.record(key), nil
}
