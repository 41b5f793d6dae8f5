package resource

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/replctl/replicate/cas"
)

// errStale: what was being read has been overwritten since. There is something
// newer at the head.
var errStale = errors.New("overwritten meanwhile")

// sync makes the view that of an instant after the call. Like everything in this
// file it is for the goroutine that has the turn.
func (s *Store) sync(ctx context.Context) error {
	s.mu.Lock()
	s.begun++
	round, start := s.begun, time.Now()
	s.mu.Unlock()
	v, err := s.follow(ctx, s.view)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.asked = time.Now() // not again at once
		return err
	}
	s.asked, s.current = start, round
	s.install(v)
	return nil
}

// install makes v the view. The caller holds mu.
func (s *Store) install(v *view) {
	if s.view != v {
		s.view.machine.End()
		s.view = v
		s.announce()
	}
}

// follow moves a view to the end of the log, or returns another one that is there.
func (s *Store) follow(ctx context.Context, v *view) (*view, error) {
	var tried cas.Token
	for {
		if !v.exists() {
			next, token, err := s.begin(ctx, v)
			switch {
			case token != "" && token == tried:
				return nil, fmt.Errorf("%w: the head leads to what is not there", ErrCorrupt)
			case errors.Is(err, errStale):
				tried = token
				continue
			case err != nil || !next.exists():
				return next, err
			}
			v, tried = next, token
		}
		next, err := s.tail(ctx, v)
		if !errors.Is(err, errStale) {
			return next, err
		}
		v = newView(s.opts.WatchBuffer)
	}
}

// begin reads the head and what it lists. As long as there has been no checkpoint, v
// can go on from where it is: from nothing.
func (s *Store) begin(ctx context.Context, v *view) (*view, cas.Token, error) {
	h, token, err := s.readHead(ctx, "")
	switch {
	case err != nil:
		return nil, "", err
	case h == nil && s.view.exists():
		return nil, "", fmt.Errorf("%w: the head is missing", ErrCorrupt)
	case h == nil:
		return v, "", nil
	}
	if h.Manifest.Generation > 0 {
		v = newView(s.opts.WatchBuffer)
		if v.machine.state, err = s.loadChunks(ctx, h.Manifest); err != nil {
			return nil, token, err
		}
	}
	v.adopt(h, token)
	return v, token, nil
}

// errNoRoom: what would be overwritten is in no checkpoint.
var errNoRoom = errors.New("no room in the log")

// maxAhead is how many positions are read at a time.
const maxAhead = 16

// tail moves v over what the log has. That it is at the end is seen by reading the
// next position when it is free. A handle that is behind by little makes no request in
// vain; one that is far behind reads several positions at a time.
func (s *Store) tail(ctx context.Context, v *view) (*view, error) {
	for ahead, n := 1, 0; ; n++ {
		reads := s.readAhead(ctx, v, ahead)
		for i, r := range reads {
			switch {
			case r.err != nil:
				return nil, r.err
			case r.lapped:
				return nil, errStale
			case r.record == nil:
				*v.slot(v.position + 1) = slot{r.token, true}
				return v, nil
			}
			var err error
			if v, err = s.advance(ctx, v, reads[i].found); err != nil {
				return nil, err
			}
		}
		if n > 0 {
			ahead = min(2*ahead, maxAhead)
		}
	}
}

type read struct {
	found
	err error
}

// readAhead reads the next n positions.
func (s *Store) readAhead(ctx context.Context, v *view, n int) []read {
	reads := make([]read, n)
	var wg sync.WaitGroup
	for i := 1; i < n; i++ {
		wg.Go(func() { reads[i].found, reads[i].err = s.readPosition(ctx, v, v.position+1+uint64(i)) })
	}
	reads[0].found, reads[0].err = s.readPosition(ctx, v, v.position+1)
	wg.Wait()
	return reads
}

func (s *Store) readPosition(ctx context.Context, v *view, position uint64) (found, error) {
	known := *v.slot(position)
	rec, err := s.cas.Read(ctx, logKey(position%v.logRecords), known.token)
	switch {
	case err != nil:
		return found{}, err
	case known.known && rec.Token == known.token:
		return found{token: rec.Token}, nil
	}
	return v.judge(position, rec)
}

// advance moves v over the next record, or returns the view behind it.
func (s *Store) advance(ctx context.Context, v *view, f found) (*view, error) {
	if err := follows(v, f.record); err != nil {
		return nil, err
	}
	if f.record.Manifest == nil || !f.record.Manifest.Restored {
		s.mu.Lock()
		defer s.mu.Unlock()
		v.apply(f)
		if s.view == v {
			s.announce()
		}
		return v, nil
	}
	restored, err := s.loadChunks(ctx, *f.record.Manifest)
	if err != nil {
		return nil, err
	}
	m := NewMachine(s.opts.WatchBuffer)
	m.state = restored
	next := v.restored(f, m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == v {
		s.install(next)
	}
	return next, nil
}

// append writes rec at the position after the view's. If somebody else's record is
// there, it moves the view over that, and reports false. An error that
// is cas.ErrIndeterminate leaves open whether rec is there; no other does.
func (s *Store) append(ctx context.Context, rec *logRecord) (applied bool, err error) {
	v := s.view
	position := v.position + 1
	if v.full(v.logRecords) {
		return false, settled(s.findRoom(ctx))
	}
	free := *v.slot(position)
	if !free.known && position > v.logRecords {
		return false, settled(s.sync(ctx)) // what is to be replaced there has to be known
	}
	value, err := rec.encode(position, v.last)
	if err != nil {
		return false, err
	}
	got, err := cas.Swap(ctx, s.cas, logKey(position%v.logRecords), value, free.token)
	if err == nil {
		// Loading what was restored may fail. The next round tries again.
		_, _ = s.advance(ctx, v, found{token: got.Token, record: rec, sum: checksum(value)})
		return true, nil
	}
	if !errors.Is(err, cas.ErrConflict) && !errors.Is(err, cas.ErrSuperseded) {
		return false, unlessUnknown(err)
	}
	return false, s.outrun(ctx, position, got, err)
}

// findRoom looks whether the head has moved on since it was last seen.
func (s *Store) findRoom(ctx context.Context) error {
	err := s.settleHead(ctx)
	if err == nil && s.view.full(s.view.logRecords) {
		err = errNoRoom
	}
	return err
}

// outrun deals with a position where rec is not, or where, if the log has come
// round since, it is not known to have been. The view moves on.
func (s *Store) outrun(ctx context.Context, position uint64, got cas.Record, err error) error {
	unknown := errors.Is(err, cas.ErrIndeterminate)
	if !got.Exists() {
		if unknown {
			return err
		}
		return settled(s.sync(ctx)) // the record that was first could not be read
	}
	switch f, bad := s.view.judge(position, got); {
	case bad == nil && f.record != nil:
		_, err := s.advance(ctx, s.view, f)
		if errors.Is(err, errStale) {
			err = s.sync(ctx)
		}
		return settled(err)
	case bad == nil && f.lapped && !unknown:
		return settled(s.sync(ctx))
	}
	return unlessUnknown(err)
}

// unlessUnknown is settled for an error that may be about the write itself.
func unlessUnknown(err error) error {
	if errors.Is(err, cas.ErrIndeterminate) {
		return err
	}
	return settled(err)
}
