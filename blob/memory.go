package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is the reference engine: a Store in a map. It is durable for as long
// as the process, and otherwise keeps every promise of the interface. Handles
// on one store are copies of the pointer. The zero value is ready for use.
type Memory struct {
	mu      sync.RWMutex
	objects map[string]memoryObject
}

type memoryObject struct {
	info Info
	data []byte
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return new(Memory) }

// List implements [Reader]. It walks a sorted copy of the keys.
func (m *Memory) List(ctx context.Context, prefix string, opts ListOptions) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := CheckList(prefix, opts); err != nil {
			yield(Info{}, fmt.Errorf("list: %w", err))
			return
		}
		last, n := "", 0
		for _, key := range m.keys(prefix, opts.After) {
			if err := ctx.Err(); err != nil {
				yield(Info{}, fmt.Errorf("list %q: %w", prefix, context.Cause(ctx)))
				return
			}
			info := Info{Key: key}
			if segment, _, deeper := strings.Cut(key[len(prefix):], "/"); opts.Delimited && deeper {
				if info.Key = prefix + segment + "/"; info.Key == last {
					continue
				}
				last = info.Key
			} else if o, ok := m.object(key); ok {
				info = o.info
				info.Metadata = nil
			} else {
				continue // deleted since the listing began
			}
			if n++; !yield(info, nil) || n == opts.Limit {
				return
			}
		}
	}
}

func (m *Memory) keys(prefix, after string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var keys []string
	for key := range m.objects {
		if strings.HasPrefix(key, prefix) && key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (m *Memory) object(key string) (memoryObject, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	o, ok := m.objects[key]
	return o, ok
}

func (m *Memory) find(ctx context.Context, op, key string) (memoryObject, error) {
	if err := CheckKey(key); err != nil {
		return memoryObject{}, fmt.Errorf("%s: %w", op, err)
	}
	if ctx.Err() != nil {
		return memoryObject{}, fmt.Errorf("%s %s: %w", op, key, context.Cause(ctx))
	}
	o, ok := m.object(key)
	if !ok {
		return memoryObject{}, Named(op, key, fs.ErrNotExist)
	}
	return o, nil
}

// Open implements [Reader]. The reader keeps the version it opened.
func (m *Memory) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	o, err := m.find(ctx, "open", key)
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %s: negative offset %d", key, offset)
	}
	data := o.data[min(offset, int64(len(o.data))):]
	if length > 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return memoryReader{ContextReader(ctx, bytes.NewReader(data)), o.info}, nil
}

type memoryReader struct {
	io.Reader
	info Info
}

func (memoryReader) Close() error { return nil }

// Describe implements [Describer].
func (r memoryReader) Describe() (Info, bool) {
	r.info.Metadata = maps.Clone(r.info.Metadata)
	return r.info, true
}

// Stat implements [Reader].
func (m *Memory) Stat(ctx context.Context, key string) (Info, error) {
	o, err := m.find(ctx, "stat", key)
	o.info.Metadata = maps.Clone(o.info.Metadata)
	return o.info, err
}

// Write implements [Store].
func (m *Memory) Write(ctx context.Context, key string, r io.Reader, opts WriteOptions) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, fmt.Errorf("write: %w", err)
	}
	if err := CheckMetadata(opts.Metadata); err != nil {
		return Info{}, fmt.Errorf("write %s: %w", key, err)
	}
	data, err := io.ReadAll(ContextReader(ctx, r))
	if err != nil {
		return Info{}, fmt.Errorf("write %s: %w", key, err)
	}
	info := Info{
		Key: key, Size: int64(len(data)), ModTime: opts.ModTime, ETag: rand.Text(), Metadata: maps.Clone(opts.Metadata),
	}
	if info.ModTime.IsZero() {
		info.ModTime = time.Now()
	}

	if opts.Guard != nil {
		if err := opts.Guard(); err != nil {
			return Info{}, fmt.Errorf("write %s: %w", key, err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[key]; ok && opts.IfAbsent {
		return Info{}, fmt.Errorf("write %s: %w", key, fs.ErrExist)
	}
	if m.objects == nil {
		m.objects = make(map[string]memoryObject)
	}
	m.objects[key] = memoryObject{info, data}
	info.Metadata = maps.Clone(info.Metadata)
	return info, nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, keys []string) error {
	return DeleteEach(ctx, keys, func(key string) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.objects, key)
		return nil
	})
}
