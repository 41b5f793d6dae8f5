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
	if err := m.sweep(ctx); err != nil {
		return err
	}
	files, err := replica.ListAll(ctx, m.dst)
	if err != nil || len(files) == 0 {
		return err
	}
	m.there = map[ltx.FileID]*ltx.FileInfo{}
	for _, f := range files {
		m.there[ltx.IDOf(f)] = f
	}
	mark := slices.IndexFunc(files, func(f *ltx.FileInfo) bool { return f.Level == continued })
	if mark < 0 {
		return m.checkFile(ctx, files[len(files)-1])
	}
	if err := m.checkFile(ctx, files[mark]); err != nil || files[0].Level > 0 {
		return err
	}
	return m.checkComplete(files[mark].MaxTXID, files[0])
}

// sweep removes what an interrupted migration has left under temporary names, where the
// destination's store can have that.
func (m *migrator) sweep(ctx context.Context) error {
	dst, ok := m.dst.(replica.Source)
	if !ok {
		return nil
	}
	files, err := replica.Open(ctx, dst)
	if err != nil {
		return err
	}
	files.Sweep(ctx)
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
		return m.other(f, "of a migration of something else: of another backup, "+
			"of this one in an earlier or later state, or with other options")
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
	m.result = Report{Complete: true}
	m.describe()
	return nil
}

// checkNames refuses a file that the migration does not make.
func (m *migrator) checkNames(context.Context) error {
	names := m.names()
	for name, f := range m.there {
		if !names[name] {
			return m.other(f, "which this migration does not make")
		}
	}
	return nil
}
