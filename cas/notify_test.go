package cas_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
)

// deaf is a store without hints.
type deaf struct{ cas.Store }

// closing is a store whose hints end.
type closing struct{ cas.Store }

func (closing) Notify(context.Context, string) (<-chan struct{}, error) {
	hints := make(chan struct{})
	close(hints)
	return hints, nil
}

// mute is a store that can give none.
type mute struct{ cas.Store }

func (mute) Notify(context.Context, string) (<-chan struct{}, error) { return nil, errors.New("no") }

// TestChanges: every change is seen, with hints and without. The pauses that must
// not be waited for are an hour.
func TestChanges(t *testing.T) {
	m := new(cas.Memory)
	for name, c := range map[string]struct {
		store              cas.Store
		interval, patience time.Duration
	}{
		"hints":        {m, time.Hour, time.Hour},
		"lost hints":   {m, time.Hour, time.Millisecond},
		"polling":      {deaf{m}, time.Millisecond, time.Hour},
		"hints end":    {closing{m}, time.Millisecond, time.Hour},
		"hints refuse": {mute{m}, time.Millisecond, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := m.Read(t.Context(), "a/b", "")
			if err != nil {
				t.Fatal(err)
			}
			first, looks := r.Token, 0
			err = cas.Changes(t.Context(), c.store, "a/", c.interval, c.patience, func(ctx context.Context) (bool, error) {
				if looks++; looks == 1 {
					go func() { _, _ = m.Write(ctx, "a/b", []byte(name), first) }()
					return false, nil
				}
				r, err := m.Read(ctx, "a/b", "")
				return r.Token != first, err
			})
			if err != nil || looks < 2 {
				t.Errorf("%d looks, error %v", looks, err)
			}
		})
	}
}

func TestChangesEnds(t *testing.T) {
	m, failed := new(cas.Memory), errors.New("failed")
	fails := func(context.Context) (bool, error) { return false, failed }
	err := cas.Changes(t.Context(), m, "", time.Hour, time.Hour, fails)
	if !errors.Is(err, failed) {
		t.Errorf("got %v, want the error of look", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ends := func(context.Context) (bool, error) { cancel(failed); return false, nil }
	err = cas.Changes(ctx, m, "", time.Hour, time.Hour, ends)
	if !errors.Is(err, failed) {
		t.Errorf("got %v, want the cause of the context's end", err)
	}
	if err := cas.Changes(t.Context(), m, "", 0, time.Hour, nil); err == nil {
		t.Error("an interval of 0 was accepted")
	}
}
