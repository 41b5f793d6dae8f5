package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

var (
	errEmptyDatabase = errors.New("the database has no page: there is nothing to migrate")
	errChanged       = errors.New("the backup was changed while it was read; is its replicator still running?")
)

// survey finds the states. The whole history is restored for that, to nowhere: what
// cannot be restored is found before anything is written.
func (m *migrator) survey(ctx context.Context) error {
	if p := m.src.plans[0]; !m.opts.History {
		m.states = []state{{pos: p.Pos, at: floorTime(p.Time), first: true}}
	} else if err := m.findStates(ctx); err != nil {
		return err
	}
	if len(m.states) == 0 {
		return errEmptyDatabase
	}
	m.markSnapshots()
	m.describe()
	return nil
}

func (m *migrator) findStates(ctx context.Context) error {
	progress := replica.SumProgress(m.step("checking"), m.src.bytes)
	pageSize, first := 0, true
	for _, p := range m.src.plans {
		first = true
		found := func(s v3compat.State) error {
			if s.Size == 0 {
				return nil
			}
			if pageSize != 0 && s.PageSize != pageSize {
				return fmt.Errorf("generation %s: its pages have %d bytes, and those before %d: "+
					"the files of one LTX replica have one page size", p.Generation, s.PageSize, pageSize)
			}
			pageSize = s.PageSize
			m.states = append(m.states, state{pos: s.Pos, at: m.after(s.Time), first: first})
			first = false
			return nil
		}
		opts := v3compat.RestoreOptions{Progress: progress, OnState: found}
		_, err := m.src.reader.Restore(ctx, p, scratch.Discard{}, opts)
		if n := len(m.states); replica.IsDamage(err) && n > 0 {
			return fmt.Errorf("%w; the states before that are sound, from %s to %s",
				err, replica.FormatTime(m.states[0].at), replica.FormatTime(m.states[n-1].at))
		} else if err != nil {
			return err
		}
	}
	if first { // the last chain has nothing in it
		return errEmptyDatabase
	}
	return nil
}

// checkDatabases restores what a backup may have lost objects of, unseen, to a file with
// a name, for opts.Check.
func (m *migrator) checkDatabases(ctx context.Context) error {
	for _, p := range m.src.plans {
		if p.MayMiss && m.opts.Check != nil {
			if err := m.checkDatabase(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *migrator) checkDatabase(ctx context.Context, p *v3compat.Plan) (err error) {
	dir, err := os.MkdirTemp(m.opts.TempDir, "replicate-check-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "db"))
	if err != nil {
		return err
	}
	progress := replica.SumProgress(m.step("checking"), p.Bytes)
	_, err = m.src.reader.Restore(ctx, p, f, v3compat.RestoreOptions{Progress: progress})
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return m.opts.Check(ctx, f.Name())
}

// after is the time of the next state: its own, if that is later than the last one's.
func (m *migrator) after(t time.Time) time.Time {
	t = floorTime(t)
	if n := len(m.states); n > 0 && !t.After(m.states[n-1].at) {
		return m.states[n-1].at.Add(time.Millisecond)
	}
	return t
}

// floorTime is a time as LTX headers have it.
func floorTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// markSnapshots chooses the states for level 9, but for the last one, which is there
// in any case. A snapshot of the backup, of an index, has the state at the end of
// the index before.
func (m *migrator) markSnapshots() {
	for i := range len(m.states) - 1 {
		s, next := &m.states[i], m.states[i+1]
		s.snapshot = s.first
		for _, index := range m.src.snapshots[s.pos.Generation] {
			if !next.first && s.pos.Index < index && index <= next.pos.Index {
				s.snapshot = true
			}
		}
	}
}

// describe says what comes out.
func (m *migrator) describe() {
	first, end := m.src.plans[0], m.src.plans[len(m.src.plans)-1]
	m.result.To = replica.Point{Pos: end.Pos, Time: end.Time}
	m.result.From = m.result.To
	if m.opts.History {
		m.result.From = replica.Point{Pos: first.Snapshot.Pos(), Time: first.Snapshot.CreatedAt}
	}
	m.result.States, m.result.TXID = len(m.states), m.last()
	m.result.From.TXID, m.result.To.TXID = 1, m.last()
	if len(m.states) == 1 {
		m.result.From.TXID = m.last()
	}
}

// step is the progress of a step, or nil.
func (m *migrator) step(name string) func(done, total int64) {
	if m.opts.Progress == nil {
		return nil
	}
	return func(done, total int64) {
		m.telling.Lock()
		defer m.telling.Unlock()
		m.opts.Progress(name, done, total)
	}
}
