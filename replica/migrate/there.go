package migrate

import (
	"context"
	"fmt"
	"slices"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// continued is the level by whose one file a migration is known: Litestream
// compacts into levels 1 to 3, unless it is told otherwise, and never deletes the
// last file of a level.
const continued = ltx.SnapshotLevel - 1

// look finds out what is in the destination already. What is of something else is
// an error before anything long is begun; names are looked at when it is known which
// there should be.
func (m *migrator) look(ctx context.Context) error {
	if err := m.lookForBackup(ctx); err != nil {
		return err
	}
	m.there = map[ltx.FileID]*ltx.FileInfo{}
	var levels [ltx.MaxLevel + 1][]*ltx.FileInfo
	var found *ltx.FileInfo
	for level := range levels {
		itr, err := m.dst.LTXFiles(ctx, level, 0, false)
		if err != nil {
			return err
		}
		for itr.Next() {
			f := itr.Item()
			levels[level] = append(levels[level], f)
			m.there[named(level, f.MinTXID, f.MaxTXID)] = f
			found = f
		}
		if err := itr.Close(); err != nil {
			return err
		}
	}
	if found == nil {
		return nil
	}
	mark := levels[continued]
	if len(mark) == 0 {
		return m.checkFile(ctx, found)
	}
	if err := m.checkFile(ctx, mark[0]); err != nil {
		return err
	}
	if level0 := levels[0]; len(level0) > 0 {
		return m.checkComplete(mark[0].MaxTXID, level0[0])
	}
	return nil
}

// lookForBackup finds out whether the backup is in the same place as the replica is
// to be. Another one must not be: Litestream 0.5 compares the times of both formats
// at each restore, and takes either.
func (m *migrator) lookForBackup(ctx context.Context) error {
	c, ok := m.dst.(replicate.ReplicaClientV3)
	if !ok {
		return nil
	}
	there, err := c.GenerationsV3(ctx)
	if err != nil || len(there) == 0 {
		return err
	}
	ours, err := m.src.reader.Generations(ctx)
	if err != nil {
		return err
	}
	for _, generation := range there {
		if !slices.Contains(ours, generation) {
			return fmt.Errorf("%w: another v0.3 backup, with generation %s", ErrOtherContent, generation)
		}
	}
	m.inPlace = true
	return nil
}

// checkFile says whether a file is of this migration, by its header.
func (m *migrator) checkFile(ctx context.Context, f *ltx.FileInfo) error {
	h, err := m.header(ctx, f)
	switch {
	case err != nil:
		return err
	case h.NodeID == 0:
		return m.other(f, "which no migration has written")
	case h.NodeID != m.src.id:
		return m.other(f, "of a migration of something else: of another backup, of this one in an earlier or later state, or with other options")
	}
	return nil
}

func (m *migrator) other(f *ltx.FileInfo, what string) error {
	return fmt.Errorf("%w: %s of level %d, %s", ErrOtherContent, ltx.FormatName(f.MinTXID, f.MaxTXID), f.Level, what)
}

func (m *migrator) header(ctx context.Context, f *ltx.FileInfo) (ltx.Header, error) {
	h, err := ltx.LoadHeader(ctx, ltx.OpenFrom(m.dst), f)
	if err != nil {
		return h, err
	}
	if err := ltx.CheckInfo(f, h); err != nil {
		return h, &ltx.FileError{File: f, Err: err}
	}
	return h, nil
}

// checkComplete is for a destination with a mark and with files in level 0.
func (m *migrator) checkComplete(last ltx.TXID, oldest *ltx.FileInfo) error {
	if oldest.MinTXID < last {
		return m.other(oldest, "from a replicator that began before the migration was complete")
	}
	m.states = make([]state, last-1)
	m.result = Report{Complete: true, From: firstPoint(m.src.plans[0])}
	if !m.opts.History {
		p := m.src.plans[0]
		m.result.From = replica.Point{Pos: p.Pos, Time: p.Time}
	}
	m.describe()
	return nil
}

// checkNames refuses a file that the migration does not make.
func (m *migrator) checkNames() error {
	names := m.names()
	for name, f := range m.there {
		if !names[name] {
			return m.other(f, "which this migration does not make")
		}
	}
	return nil
}
