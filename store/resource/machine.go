package resource

import (
	"fmt"
	"strconv"

	"github.com/replctl/replicate/cas"
)

// maxStored bounds all resources together, in bytes when encoded. A checkpoint of so
// many has room in one manifest.
const maxStored = 1 << 30

func (d *draft) checkWrite(res *Resource) error {
	stored := d.get(res.ID.key())
	switch {
	case stored == nil && res.Version != "":
		return fmt.Errorf("%w: nothing is stored, not %q", ErrCASFailure, res.Version)
	case stored == nil:
	case stored.ID.UID != res.ID.UID && res.Version == "":
		return fmt.Errorf("%w: it exists; %w: %q is stored, not %q", ErrCASFailure, ErrWrongUID, stored.ID.UID, res.ID.UID)
	case stored.ID.UID != res.ID.UID:
		return fmt.Errorf("%w: %q is stored, not %q", ErrWrongUID, stored.ID.UID, res.ID.UID)
	case stored.Version != res.Version:
		return fmt.Errorf("%w: %q is stored, not %q", ErrCASFailure, stored.Version, res.Version)
	}
	if size := d.size + sizeOf(res); size > maxStored {
		return fmt.Errorf("%w: all resources would have %d bytes, at most %d allowed", cas.ErrTooLarge, size, maxStored)
	}
	return nil
}

// take returns the next event if there is one, and else what to wait for.
func (w *watch) take() (*WatchEvent, wakeup, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.closed || w.s.closed || w.s.view != w.view || w.next < w.view.recent.first {
		w.end()
		return nil, wakeup{}, ErrWatchClosed
	}
	if len(w.snapshot) > 0 {
		r := w.snapshot[0]
		w.snapshot = w.snapshot[1:]
		return &WatchEvent{Upsert, r.clone()}, wakeup{}, nil
	}
	if !w.marked {
		w.marked = true
		return &WatchEvent{Operation: EndOfSnapshot}, wakeup{}, nil
	}
	for recent := &w.view.recent; w.next < recent.end(); {
		e := recent.list[w.next-recent.first]
		w.next++
		if w.filter.matches(e.Resource.ID) {
			return &WatchEvent{e.Operation, e.Resource.clone()}, wakeup{}, nil
		}
	}
	return nil, wakeup{w.s.changed, w.s.failures}, nil
}

// maxRecent bounds the changes that are kept for watches, in bytes.
const maxRecent = 64 << 20

// events are the last changes, numbered from the first that the view has seen.
type events struct {
	limit int
	first uint64 // the number of list[0]
	list  []WatchEvent
	size  int64
}

func (e *events) end() uint64 { return e.first + uint64(len(e.list)) }

func (e *events) add(event WatchEvent) {
	e.list = append(e.list, event)
	e.size += sizeOf(event.Resource)
	for len(e.list) > e.limit || e.size > maxRecent && len(e.list) > 1 {
		e.size -= sizeOf(e.list[0].Resource)
		e.list[0] = WatchEvent{}
		e.list, e.first = e.list[1:], e.first+1
	}
}

type snapshot struct {
	rest     []*Resource
	revision uint64
}

// Version implements [Snapshot].
func (s *snapshot) Version() string { return strconv.FormatUint(s.revision, 10) }

// Next implements [Snapshot].
func (s *snapshot) Next() *Resource {
	if len(s.rest) == 0 {
		return nil
	}
	r := s.rest[0]
	s.rest = s.rest[1:]
	return r.clone()
}

// Len implements [Snapshot].
func (s *snapshot) Len() int { return len(s.rest) }
