package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	hraft "github.com/hashicorp/raft"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

// Snapshot writes a snapshot to w that has everything that was acknowledged before the call. This node takes it,
// and shortens its log with it.
func (n *Node) Snapshot(ctx context.Context, w io.Writer) (err error) {
	defer errs.Wrap(&err, "snapshot")
	if err := n.catchUp(ctx); err != nil {
		return err
	}
	from, err := n.takeSnapshot()
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(w, ending{ctx, from})
	return err
}

// takeSnapshot opens a new snapshot, or the last one if nothing has happened since.
func (n *Node) takeSnapshot() (io.ReadCloser, error) {
	future := n.raft.Snapshot()
	err := future.Error()
	if err == nil {
		_, from, err := future.Open()
		return from, err
	}
	if !errors.Is(err, hraft.ErrNothingNewToSnapshot) {
		return nil, err
	}
	all, listErr := n.snaps.List()
	if listErr != nil || len(all) == 0 {
		return nil, errors.Join(err, listErr)
	}
	_, from, err := n.snaps.Open(all[0].ID)
	return from, err
}

// ending is a reader that fails when a context ends.
type ending struct {
	ctx  context.Context
	from io.Reader
}

// Read implements [io.Reader].
func (e ending) Read(b []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.from.Read(b)
}

// Restore replaces all records, and the state of the Part, with those of a snapshot: for a new
// cluster after a disaster. This node must be the leader. Stop all writers first: what is written
// meanwhile is lost, and a version that was read before may be there again with another value. The
// stream is read, and checked, before anything is changed.
func (n *Node) Restore(ctx context.Context, from io.Reader) (err error) {
	defer errs.Wrap(&err, "restore snapshot")
	if err := n.started(); err != nil {
		return err
	}
	if !n.isLeader() {
		address, _ := n.raft.LeaderWithID()
		return fmt.Errorf("%w, which is at %q", ErrNotLeader, address)
	}
	spool, err := os.CreateTemp(n.cfg.Dir, "restore-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	size, err := io.Copy(spool, ending{ctx, from})
	if err != nil {
		return err
	}
	index, err := n.inspect(spool)
	if err != nil {
		return err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	meta := &hraft.SnapshotMeta{Version: hraft.SnapshotVersionMax, Index: index, Size: size}
	if err := n.raft.Restore(meta, spool, n.cfg.Patience); err != nil {
		return fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
	}
	return nil
}

// inspect reads a snapshot to its end, and returns the index of its last log entry.
func (n *Node) inspect(spool io.ReadSeeker) (uint64, error) {
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	_, index, rest, err := readSnapshot(spool)
	if err != nil {
		return 0, err
	}
	if rest.present && n.fsm.part == nil {
		return 0, errNoPart
	}
	_, err = io.Copy(io.Discard, rest)
	return index, err
}
