package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/cas"
)

const (
	minChunk     = 256 << 10 // bytes; the last one may be smaller
	maxChunk     = 900 << 10
	maxChunkSlot = 1<<24 - 1
	chunksAtOnce = 8
)

// chunkSlot is what is in a chunk's key, as last seen: the generation that it was
// written for.
type chunkSlot struct {
	token      cas.Token
	generation uint64
}

// cut calls yield with resources as JSON arrays of a chunk's size each. It cuts behind
// resources whose keys have a certain hash, so that a change, here or there, leaves the
// other chunks as they were.
func cut(list []*Resource, yield func(payload []byte)) error {
	var payload []byte
	flush := func() {
		if payload != nil {
			yield(append(payload, ']'))
		}
		payload = nil
	}
	for _, r := range list {
		encoded, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if len(payload)+len(encoded)+2 > maxChunk {
			flush()
		}
		separator := byte(',')
		if payload == nil {
			separator = '['
		}
		payload = append(append(payload, separator), encoded...)
		if len(payload) >= minChunk && isBoundary(r.ID, len(encoded)) {
			flush()
		}
	}
	flush()
	return nil
}

// isBoundary reports whether to cut after a resource: content-defined chunking. The
// probability is size/64 KiB, at most 1/2, so that a change does not shift later chunks.
func isBoundary(id ID, size int) bool {
	h := fnv.New32a()
	for _, s := range id.texts() {
		h.Write([]byte(s))
	}
	return int(h.Sum32()%(64<<10)) < min(size, 32<<10)
}

// chunkWriter writes the chunks of the manifest after base.
//
// A key is free if base does not list it and what it has was written for base, or
// for one before it: the head, which is at base, does not list it then, and no
// manifest that might still come does. A chunk that was written for the next generation
// may belong to another handle, whose manifest may come first. After the first manifest
// has come, the keys of the other handles are free.
type chunkWriter struct {
	s    *Store
	base manifest

	mu   sync.Mutex
	used map[uint32]bool // or not usable
	next uint32
}

func (s *Store) writeChunks(ctx context.Context, base manifest, list []*Resource) ([]chunkRef, error) {
	w := &chunkWriter{s: s, base: base, used: make(map[uint32]bool)}
	stored := make(map[string]uint32)
	for _, c := range base.Chunks {
		w.used[c.Slot] = true
		if base.Offset == 0 { // or the same versions mean others
			stored[c.Sum] = c.Slot
		}
	}
	var refs []*chunkRef
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(chunksAtOnce)
	err := cut(list, func(payload []byte) {
		ref := &chunkRef{Sum: checksum(payload)}
		refs = append(refs, ref)
		if slot, ok := stored[ref.Sum]; ok {
			ref.Slot = slot
			return
		}
		group.Go(func() (err error) {
			ref.Slot, err = w.write(ctx, payload)
			return err
		})
	})
	if err := errors.Join(group.Wait(), err); err != nil {
		return nil, fmt.Errorf("write chunks: %w", err)
	}
	var chunks []chunkRef
	for _, ref := range refs {
		chunks = append(chunks, *ref)
	}
	return chunks, nil
}

// write puts a chunk into a free key.
func (w *chunkWriter) write(ctx context.Context, payload []byte) (uint32, error) {
	generation := w.base.Generation + 1
	value, err := encodeChunk(generation, payload)
	if err != nil {
		return 0, err
	}
	for {
		slot, err := w.take()
		if err != nil {
			return 0, err
		}
		expect, free, err := w.look(ctx, slot)
		if err != nil {
			return 0, err
		}
		if !free {
			continue
		}
		rec, err := cas.Swap(ctx, w.s.cas, chunkKey(slot), value, expect)
		if err == nil {
			w.s.keepChunk(slot, chunkSlot{rec.Token, generation})
			return slot, nil
		}
		w.s.forgetChunk(slot)
		if !errors.Is(err, cas.ErrConflict) && !errors.Is(err, cas.ErrSuperseded) {
			return 0, err
		}
	}
}

// take is the next key that is not known to be used.
func (w *chunkWriter) take() (uint32, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.used[w.next] {
		w.next++
	}
	if w.next > maxChunkSlot {
		return 0, fmt.Errorf("%w: no key is free", ErrCorrupt)
	}
	w.next++
	return w.next - 1, nil
}

func (w *chunkWriter) look(ctx context.Context, slot uint32) (expect cas.Token, free bool, err error) {
	w.s.chunkMu.Lock()
	c, known := w.s.chunks[slot]
	w.s.chunkMu.Unlock()
	if !known {
		rec, err := w.s.cas.Read(ctx, chunkKey(slot), "")
		if err != nil {
			return "", false, err
		}
		if c.token = rec.Token; rec.Exists() {
			if c.generation, _, err = decodeChunk(rec.Value); err != nil {
				return "", false, nil // let it lie
			}
		}
		w.s.keepChunk(slot, c)
	}
	return c.token, c.generation <= w.base.Generation, nil
}

func (s *Store) keepChunk(slot uint32, c chunkSlot) {
	s.chunkMu.Lock()
	defer s.chunkMu.Unlock()
	s.chunks[slot] = c
}

func (s *Store) forgetChunk(slot uint32) {
	s.chunkMu.Lock()
	defer s.chunkMu.Unlock()
	delete(s.chunks, slot)
}

// loadChunks returns the state that a manifest lists. It is errStale if a chunk is
// not the one that is listed, which it is not any more once the head has moved on.
func (s *Store) loadChunks(ctx context.Context, m manifest) (*state, error) {
	lists := make([][]*Resource, len(m.Chunks))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(chunksAtOnce)
	for i, c := range m.Chunks {
		group.Go(func() (err error) {
			lists[i], err = s.loadChunk(ctx, c)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("load chunks: %w", err)
	}
	st := newState()
	for _, list := range lists {
		for _, r := range list {
			if err := m.addOffset(r); err != nil {
				return nil, err
			}
			st.put(r)
		}
	}
	return st, nil
}

// addOffset gives a resource from a chunk of the manifest its version.
func (m manifest) addOffset(r *Resource) error {
	n, err := strconv.ParseUint(r.Version, 10, 64)
	if err != nil || n > m.Revision-m.Offset {
		return fmt.Errorf("%w: chunk: resource %s has version %.40q, beyond %d",
			ErrCorrupt, r.ID, r.Version, m.Revision-m.Offset)
	}
	if m.Offset > 0 {
		r.Version = strconv.FormatUint(m.Offset+n, 10)
	}
	return nil
}

func (s *Store) loadChunk(ctx context.Context, c chunkRef) ([]*Resource, error) {
	rec, err := s.cas.Read(ctx, chunkKey(c.Slot), "")
	if err != nil {
		return nil, err
	}
	if !rec.Exists() {
		return nil, errStale
	}
	generation, payload, err := decodeChunk(rec.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", chunkKey(c.Slot), err)
	}
	if checksum(payload) != c.Sum {
		return nil, errStale
	}
	s.keepChunk(c.Slot, chunkSlot{rec.Token, generation})
	return decodeResources(bytes.Clone(payload))
}
