package resource

import "context"

// maxRecent bounds the changes that are kept for watches, in bytes.
const maxRecent = 64 << 20

// events are the last changes, numbered from the first that the machine has seen.
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

// cursor is a watch as a position in the changes that its machine remembers. Nothing of
// the machine knows of it, so that there is nothing to free.
type cursor struct {
	m        *Machine
	filter   filter
	snapshot []*Resource
	marked   bool
	next     uint64 // change
	closed   bool
}

// WatchList is Backend.WatchList. The watch is closed by End, too.
func (m *Machine) WatchList(typ UnversionedType, tenancy Tenancy, namePrefix string) Watch {
	return m.cursor(filter{typ, tenancy, namePrefix})
}

func (m *Machine) cursor(f filter) *cursor {
	m.lock()
	defer m.mu.Unlock()
	return &cursor{m: m, filter: f, snapshot: m.state.list(f), next: m.recent.end()}
}

// Next implements [Watch].
func (c *cursor) Next(ctx context.Context) (*WatchEvent, error) {
	for {
		event, changed, err := c.take()
		if event != nil || err != nil {
			return event, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close implements [Watch].
func (c *cursor) Close() {
	c.m.lock()
	defer c.m.mu.Unlock()
	c.end()
}

func (c *cursor) end() { c.closed, c.snapshot = true, nil }

// take returns the next event if there is one, and else what to wait for.
func (c *cursor) take() (*WatchEvent, <-chan struct{}, error) {
	c.m.lock()
	defer c.m.mu.Unlock()
	recent := &c.m.recent
	if c.closed || c.m.ended || c.next < recent.first {
		c.end()
		return nil, nil, ErrWatchClosed
	}
	if len(c.snapshot) > 0 {
		r := c.snapshot[0]
		c.snapshot = c.snapshot[1:]
		return &WatchEvent{Upsert, r.clone()}, nil, nil
	}
	if !c.marked {
		c.marked = true
		return &WatchEvent{Operation: EndOfSnapshot}, nil, nil
	}
	for c.next < recent.end() {
		e := recent.list[c.next-recent.first]
		c.next++
		if c.filter.matches(e.Resource.ID) {
			return &WatchEvent{e.Operation, e.Resource.clone()}, nil, nil
		}
	}
	return nil, c.m.changed, nil
}
