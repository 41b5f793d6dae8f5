package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

// opened is an open replica, as a replica.Source.
type opened struct{ *replica.Files }

// Open implements replica.Source.
func (o opened) Open(context.Context) (blob.Store, ltx.Layout, error) { return o.Store, o.Layout, nil }

// move finds the files that have the database of a layout now that one of its files is
// gone, and makes them the layout. Cause says what is gone.
func (p *pages) move(ctx context.Context, from *layout, cause error) error {
	p.moving.Lock()
	defer p.moving.Unlock()
	if p.layout.Load() != from {
		return nil // by another reader
	}
	target := restore.Target{TXID: from.pages.Header().MaxTXID}
	var to *layout
	_, err := restore.Follow(ctx, opened{p.replica}, target, restore.Options{},
		func(_ *replica.Files, plan *restore.Plan) (err error) {
			if to, err = p.readLayout(ctx, plan.Files, from.pages.Header().Commit, from); err != nil {
				return err
			}
			return p.isSame(ctx, from, to)
		})
	var planErr *restore.PlanError
	isOther := errors.Is(err, errOther) || errors.Is(err, errReplaced)
	if errors.As(err, &planErr) || errors.Is(err, replica.ErrNoReplica) || isOther {
		return fmt.Errorf("%w: %w; %w", ErrGone, cause, err)
	}
	if err != nil {
		return err
	}
	p.layout.Store(to)
	return nil
}

// errOther: a replica was begun anew in the place of the one that is viewed.
var errOther = errors.New("the replica has another database at this transaction now")

// isSame makes sure that two layouts are of the same state.
func (p *pages) isSame(ctx context.Context, from, to *layout) error {
	was, is := from.pages, to.pages
	a, b := was.Header(), is.Header()
	if a.PageSize != b.PageSize || a.Commit != b.Commit || a.MaxTXID != b.MaxTXID || !is.SameChecksum(was) {
		return errOther
	}
	// Compaction keeps the time of a transaction. A snapshot has that when it was taken.
	if from.newest().Level != ltx.SnapshotLevel && to.newest().Level != ltx.SnapshotLevel && a.Timestamp != b.Timestamp {
		return errOther
	}
	if len(p.first) == 0 {
		return nil
	}
	first := make([]byte, p.pageSize)
	if err := p.decode(ctx, to, 1, first); err != nil {
		return err
	}
	if !bytes.Equal(first, p.first) {
		return errOther
	}
	return nil
}
