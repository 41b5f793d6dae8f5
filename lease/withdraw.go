package lease

import (
	"context"
)

// WithdrawLease undoes acquisitions of this leaser whose outcome is unknown, so that
// nobody has to wait for the end of a lease that nobody knows to hold: it replaces
// the record by a released one, whether the write was applied or is still under way.
// A write that is under way finds then that the record has changed. A record that
// somebody else has written meanwhile is left alone.
//
// Without such an acquisition it does nothing. A Session calls it when acquiring
// fails.
func (l *Leaser) WithdrawLease(ctx context.Context) error {
	if l == nil || !l.inDoubtAbout(func(doubt) bool { return true }) {
		return nil
	}
	store, cfg, err := l.init(ctx)
	if err != nil {
		return err
	}
	seen, _, err := l.look(ctx, store, cfg)
	if err != nil {
		return wrap("withdraw", cfg, err)
	}
	// It can be applied still while the record has the token that it expects.
	awaits := l.inDoubtAbout(func(d doubt) bool { return d.expect == seen.token })
	if !l.isOwn(seen.rec, toAcquire) && !awaits {
		return nil
	}
	rec := released(l.next(), cfg.Owner, l.correct(cfg.clock.Now()))
	if l.isOwn(seen.rec, toAcquire) {
		rec.Generation = seen.rec.Generation
	}
	if _, err = l.swap(ctx, store, cfg, rec, seen.token, toAcquire); lost(err) {
		return nil // to somebody else
	}
	return wrap("withdraw", cfg, err)
}

// inDoubtAbout reports whether the outcome of an acquisition is unknown, of one that is so.
func (l *Leaser) inDoubtAbout(is func(doubt) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.inDoubt {
		if d.why == toAcquire && is(d) {
			return true
		}
	}
	return false
}
