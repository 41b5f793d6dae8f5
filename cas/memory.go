package cas

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Memory is the reference engine: a Store in a map. Handles on one store are
// copies of the pointer. The zero value is ready for use.
type Memory struct {
	mu      sync.Mutex
	records map[string]Record
	writes  uint64
	waiters map[chan struct{}]string // channels of Notify, and their prefixes
}

var (
	_ Notifier = (*Memory)(nil)
	_ Deleter  = (*Memory)(nil)
	_ Batcher  = (*Memory)(nil)
)

// Read implements [Store].
func (m *Memory) Read(ctx context.Context, key string, known Token) (Record, error) {
	if err := begin(ctx, key, nil); err != nil {
		return Record{}, fmt.Errorf("read: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[key]
	if r.Exists() && r.Token == known {
		return Record{Token: known, Unchanged: true}, nil
	}
	r.Value = bytes.Clone(r.Value)
	return r, nil
}

// Write implements [Store].
func (m *Memory) Write(ctx context.Context, key string, value []byte, expect Token) (Written, error) {
	if err := begin(ctx, key, value); err != nil {
		return Written{}, fmt.Errorf("write: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[key].Token != expect {
		return Written{}, fmt.Errorf("write %s: %w", key, ErrConflict)
	}
	return m.put(key, value), nil
}

// put replaces a record. The caller has m.mu.
func (m *Memory) put(key string, value []byte) Written {
	if m.records == nil {
		m.records = make(map[string]Record)
	}
	m.writes++
	token := Token(strconv.FormatUint(m.writes, 10))
	m.records[key] = Record{Token: token, Value: append([]byte{}, value...)}
	m.changed(key)
	return Written{Token: token}
}

// WriteAll implements [Batcher].
func (m *Memory) WriteAll(ctx context.Context, changes []Change) ([]Written, error) {
	err := CheckBatch(changes)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		if m.records[c.Key].Token != c.Expect {
			return nil, fmt.Errorf("write %s: %w", c.Key, ErrConflict)
		}
	}
	written := make([]Written, len(changes))
	for i, c := range changes {
		written[i] = m.put(c.Key, c.Value)
	}
	return written, nil
}

// Delete implements [Deleter].
func (m *Memory) Delete(ctx context.Context, key string, expect Token) error {
	if err := begin(ctx, key, nil); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if expect == "" || m.records[key].Token != expect {
		return fmt.Errorf("delete %s: %w", key, ErrConflict)
	}
	delete(m.records, key)
	m.changed(key)
	return nil
}

// changed leaves a hint for each waiter, unless it has one already. The caller has m.mu.
func (m *Memory) changed(key string) {
	for hints, prefix := range m.waiters {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		select {
		case hints <- struct{}{}:
		default:
		}
	}
}

// Notify implements [Notifier].
func (m *Memory) Notify(ctx context.Context, prefix string) (<-chan struct{}, error) {
	if err := CheckPrefix(prefix); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiters == nil {
		m.waiters = make(map[chan struct{}]string)
	}
	hints := make(chan struct{}, 1)
	m.waiters[hints] = prefix
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.waiters, hints)
		close(hints)
	})
	return hints, nil
}

// Forget deletes a record, as an operator can on any real store. It is no verb of
// the waist.
func (m *Memory) Forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, key)
}

// List implements [Store].
func (m *Memory) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := CheckPrefix(prefix)
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			yield(Entry{}, fmt.Errorf("list: %w", err))
			return
		}
		for _, e := range m.entries(prefix, after) {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *Memory) entries(prefix, after string) (entries []Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, r := range m.records {
		if strings.HasPrefix(key, prefix) && key > after {
			entries = append(entries, Entry{key, r.Token})
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return entries
}

func begin(ctx context.Context, key string, value []byte) error {
	if err := CheckWrite(key, value); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
