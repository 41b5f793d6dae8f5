package raft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	iradix "github.com/hashicorp/go-immutable-radix/v2"
	hraft "github.com/hashicorp/raft"

	"github.com/replctl/replicate/cas"
)

// record is one version of a record.
type record struct {
	index uint64 // of the log entry that has written it
	value []byte // never changed
}

// state is all records after a log entry. It is never changed.
type state struct {
	records  *iradix.Tree[record]
	index    uint64        // of the last entry that changed something, or is the Part's
	replaced chan struct{} // closed when a snapshot takes the place of the state and its successors
}

// fsm applies the log. Readers take the state without a lock.
type fsm struct {
	part Part // may be nil
	now  atomic.Pointer[state]

	mu      sync.Mutex
	applied chan struct{} // closed at the next entry; nil if nobody waits
	broken  error         // an entry that this program cannot apply; nothing is applied after it
}

func newFSM(part Part) *fsm {
	f := &fsm{part: part}
	f.now.Store(&state{records: iradix.New[record](), replaced: make(chan struct{})})
	return f
}

var errNoPart = errors.New("it is of another state machine, which this node does not have: set Config.Part")

// result is what a command of changes returns from the log.
type result struct {
	index    uint64
	conflict string // key of a record that is not the expected one; empty if all were applied
	err      error  // the node cannot apply entries
}

// Apply implements [hraft.FSM]. It depends on the log alone, so that all nodes come to the same
// state. If it cannot read an entry the node must not go on: it would differ from the others.
func (f *fsm) Apply(entry *hraft.Log) any {
	if err := f.failure(); err != nil {
		return result{err: err}
	}
	c, err := decodeCommand(entry.Data)
	if err == nil && c.changes == nil && f.part == nil {
		err = errNoPart
	}
	if err != nil {
		err = fmt.Errorf("log entry %d: %w", entry.Index, err)
		f.fail(err)
		return result{err: err}
	}
	if c.changes != nil {
		return f.change(c.changes, entry.Index)
	}
	answer := f.part.Apply(c.part, entry.Index)
	now := *f.now.Load()
	now.index = entry.Index
	f.now.Store(&now)
	f.wake()
	return answer
}

// StoreConfiguration implements [hraft.ConfigurationStore], so that a snapshot may follow at once.
func (f *fsm) StoreConfiguration(uint64, hraft.Configuration) {}

func (f *fsm) change(changes []change, index uint64) result {
	now := *f.now.Load()
	txn := now.records.Txn()
	txn.TrackMutate(true)
	conflict := ""
	for _, c := range changes {
		old, _ := txn.Get([]byte(c.key))
		if old.index != c.expect || c.remove && c.expect == 0 {
			conflict = c.key
			break
		}
	}
	if conflict == "" {
		for _, c := range changes {
			if c.remove {
				txn.Delete([]byte(c.key))
			} else {
				txn.Insert([]byte(c.key), record{index, bytes.Clone(c.value)})
			}
		}
		now.records = txn.CommitOnly()
	}
	now.index = index
	f.now.Store(&now)
	if conflict == "" {
		txn.Notify() // those who wait see the new state
	}
	f.wake()
	return result{index: index, conflict: conflict}
}

// replace puts a state from a snapshot in the place of the present one.
func (f *fsm) replace(records *iradix.Tree[record], index uint64) {
	f.mu.Lock()
	f.broken = nil
	f.mu.Unlock()
	old := f.now.Swap(&state{records: records, index: index, replaced: make(chan struct{})})
	close(old.replaced)
	f.wake()
}

func (f *fsm) fail(err error) {
	f.mu.Lock()
	f.broken = err
	f.mu.Unlock()
	f.wake()
}

// failure is why the node applies nothing any more, or nil.
func (f *fsm) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

// wake tells those that wait for an entry to look.
func (f *fsm) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.applied != nil {
		close(f.applied)
		f.applied = nil
	}
}

// reach waits until the entry with an index is applied.
func (f *fsm) reach(ctx context.Context, index uint64) error {
	for {
		f.mu.Lock()
		if f.applied == nil {
			f.applied = make(chan struct{})
		}
		applied, err := f.applied, f.broken
		f.mu.Unlock()
		if err != nil || f.now.Load().index >= index {
			return err
		}
		select {
		case <-applied:
		case <-ctx.Done():
			return fmt.Errorf("wait for log entry %d, at %d: %w", index, f.now.Load().index, context.Cause(ctx))
		}
	}
}

// read returns the record with a key.
func (s *state) read(key string, known cas.Token) cas.Record {
	r, ok := s.records.Get([]byte(key))
	switch {
	case !ok:
		return cas.Record{}
	case token(r.index) == known:
		return cas.Record{Token: known, Unchanged: true}
	}
	return cas.Record{Token: token(r.index), Value: append([]byte{}, r.value...)}
}

// list returns up to limit records below a prefix, with keys greater than after.
func (s *state) list(prefix, after string, limit int) (entries []cas.Entry) {
	it := s.records.Root().Iterator()
	it.SeekLowerBound([]byte(max(prefix, after)))
	for key, r, ok := it.Next(); ok && len(entries) < limit; key, r, ok = it.Next() {
		if !strings.HasPrefix(string(key), prefix) {
			break
		}
		if string(key) > after {
			entries = append(entries, cas.Entry{Key: string(key), Token: token(r.index)})
		}
	}
	return entries
}

// watch returns a channel that is closed when a record below a prefix may have changed, and
// one that is closed when the whole state is replaced.
func (f *fsm) watch(prefix string) (changed, replaced <-chan struct{}) {
	now := f.now.Load()
	return now.records.Root().Iterator().SeekPrefixWatch([]byte(prefix)), now.replaced
}
