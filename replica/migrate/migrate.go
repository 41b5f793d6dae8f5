package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// Options are how a v0.3 backup becomes an LTX replica. The zero value
// migrates the latest state.
type Options struct {
	// History migrates every state that can be restored, each with its time.
	History bool

	// Target is the state to migrate, if it is not the latest. It does not go with
	// History.
	Target restore.Target

	// Partial allows that states are lost: where names show that objects are
	// missing, the states before and after the hole are migrated. It is for History.
	Partial bool

	// Check, if set, is called with the path of each database that a backup gives of
	// which objects may be missing unseen: see [v3compat.Plan]. It is called before
	// anything is written, with the last state of each unbroken chain, and its error
	// ends the migration. Package sqlite has what to ask.
	Check func(ctx context.Context, path string) error

	// TempDir is where the database is restored on its way; empty means the
	// system's. With History and several generations it needs room for two.
	TempDir string

	// Progress, if set, is told of each step how much of it is done, in bytes:
	// "checking" and "reading" stored ones, "writing" those of the database. Calls
	// do not overlap.
	Progress func(step string, done, total int64)

	group int // see groupSize
}

func (o Options) check() error {
	switch {
	case o.History && o.Target != restore.Target{}:
		return errors.New("a target is one state, and the history is all of them")
	case o.Target.TXID != 0:
		return errors.New("a v0.3 backup has no transaction numbers")
	case o.Partial && !o.History:
		return errors.New("one state is migrated whole or not at all: partial is for the history")
	}
	return nil
}

// Report is what was done.
type Report struct {
	// Complete says that all was there already, and nothing was done. The fields
	// from Files on are zero then.
	Complete bool

	States   int           // of the database that can be restored
	From, To replica.Point // the first and the last one, as the backup has them
	TXID     ltx.TXID      // the last transaction; a replicator goes on with the next

	Files int   // that were written
	Kept  int   // that were there, of a run that was interrupted
	Bytes int64 // of the files that were written
}

// ErrOtherContent says that files in the destination are not of this migration.
var ErrOtherContent = errors.New("the destination has other content")

// Run makes an LTX replica of a v0.3 backup, which it only reads. Litestream
// 0.5 restores from the replica, and goes on from it with the database that was
// backed up.
//
// The destination must be empty but for the backup itself, or be what an interrupted
// run of the same migration has left: what is there is kept, and nothing is ever replaced (as far as dst is
// create-only, see [replica.FencedClient]). Once it is complete, running it again does
// nothing, even after a replicator has gone on and has deleted old files. Anything
// else is ErrOtherContent. Whether it is the same is told by a number in the files'
// headers (NodeID, which Litestream leaves zero and ignores): a checksum of which
// state is migrated or, with History, of the names, sizes and times of all the
// objects that are read.
//
// Before the first file is written, all that is read has been verified, as a restore
// does; with History it is read twice for that. Where objects are missing, the error
// is a *[restore.PlanError]; where they are damaged, that of a restore. One state is restored
// around damaged objects, if there is a way.
//
// The states are numbered from 1, and their times are those of the backup's
// objects, in the whole milliseconds that LTX has, each at least one later than that
// before it. One more transaction, M, changes nothing: it is what a replicator goes
// on from.
//
//   - Level 9 has a snapshot of the last state, and with History of the first, of
//     the first of each generation, and of those of which the backup has one.
//   - Level 1 has a file for each transaction but the first, level 2 one for each
//     256 of them, so that few files have to be read side by side.
//   - Level 0 and the levels from 3 on have M alone. Litestream goes on from the
//     last transaction that it finds in level 0, and compacts what comes after the
//     last one in the level above.
//
// Level 0 is written last: without it nobody can take the replica for complete.
func Run(ctx context.Context, src replica.Source, dst replicate.ReplicaClient, opts Options) (*Report, error) {
	files, err := replica.Open(ctx, src)
	if err == nil && dst == nil {
		err = errors.New("no destination given")
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	var damaged []string
	m, err := migrate(ctx, files, dst, opts, nil)
	for first := err; err != nil && !opts.History && ctx.Err() == nil; {
		key, ok := files.DamagedObject(err)
		if !ok || slices.Contains(damaged, key) {
			break
		}
		damaged = append(damaged, key)
		if m, err = migrate(ctx, files, dst, opts, damaged); err != nil {
			err = fmt.Errorf("%w; and around it: %w", first, err)
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return m, nil
}

func migrate(
	ctx context.Context, src *replica.Files, dst replicate.ReplicaClient, opts Options, damaged []string,
) (*Report, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	s, err := newSource(ctx, src, opts, damaged)
	if err != nil {
		return nil, err
	}
	m := &migrator{src: s, dst: dst, opts: opts}
	if err := m.look(ctx); err != nil {
		return nil, err
	}
	if m.result.Complete {
		return &m.result, nil
	}
	for _, step := range []func(context.Context) error{m.survey, m.checkNames, m.checkDatabases, m.write} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return &m.result, nil
}

// state is a state of the database, by the number of its transaction less one.
type state struct {
	pos      v3compat.Pos
	at       time.Time // for the header
	first    bool      // of an unbroken chain
	snapshot bool      // for level 9
}

// migrator is the work on a migration.
type migrator struct {
	src     *source
	dst     replicate.ReplicaClient
	opts    Options
	states  []state
	there   map[ltx.FileID]*ltx.FileInfo // in the destination
	inPlace bool                         // the backup is there too
	result  Report

	telling sync.Mutex // of progress
}

// named is the name of a file.
func named(level int, from, to ltx.TXID) ltx.FileID {
	return ltx.FileID{Level: level, MinTXID: from, MaxTXID: to}
}

// last is the transaction that a replicator goes on from.
func (m *migrator) last() ltx.TXID { return ltx.TXID(len(m.states)) + 1 }

// at is the time of a transaction. The last one has that of the last state, rounded
// up if the backup is in the same place: Litestream takes what is newer.
func (m *migrator) at(txid ltx.TXID) time.Time {
	t := m.states[min(int(txid), len(m.states))-1].at
	if txid == m.last() && m.inPlace {
		t = t.Add(time.Millisecond)
	}
	return t
}

// groupSize is how many transactions a file of level 2 has. A restore to any
// moment opens its files at once, as Litestream does it.
const groupSize = 256

// group is the file of level 2 that a transaction is in; 1 is in none.
func (m *migrator) group(txid ltx.TXID) (from, to ltx.TXID) {
	n := ltx.TXID(cmp.Or(m.opts.group, groupSize))
	from = txid - (txid-2)%n
	return from, min(from+n-1, m.last())
}

// names are all the files that there will be.
func (m *migrator) names() map[ltx.FileID]bool {
	last := m.last()
	names := map[ltx.FileID]bool{named(ltx.SnapshotLevel, 1, last): true}
	for level := ltx.MinLevel; level < ltx.SnapshotLevel; level++ {
		names[named(level, last, last)] = level != 2
	}
	for txid := ltx.TXID(2); txid <= last; txid++ {
		from, to := m.group(txid)
		names[named(1, txid, txid)], names[named(2, from, to)] = true, true
	}
	for i, s := range m.states {
		if s.snapshot {
			names[named(ltx.SnapshotLevel, 1, ltx.TXID(i)+1)] = true
		}
	}
	return names
}
