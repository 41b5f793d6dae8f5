package lazy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/replctl/replicate/internal/lazy"
)

// TestGet: opened once, and again only if that failed or panicked.
func TestGet(t *testing.T) {
	var v lazy.Value[int]
	opens := 0
	open := func(context.Context) (int, error) {
		switch opens++; opens {
		case 1:
			return 0, errors.New("down")
		case 2:
			panic("broken")
		}
		return 7, nil
	}
	if got, err := v.Get(t.Context(), open); err == nil {
		t.Errorf("first: got %d, want an error", got)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = v.Get(t.Context(), open)
	}()
	for range 2 {
		if got, err := v.Get(t.Context(), open); got != 7 || err != nil || opens != 3 {
			t.Errorf("got %d, %v after %d opens", got, err, opens)
		}
	}
}

// TestGetWaitsNoLongerThanItsContext: an open that hangs holds nobody else.
func TestGetWaitsNoLongerThanItsContext(t *testing.T) {
	var v lazy.Value[int]
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = v.Get(context.Background(), func(context.Context) (int, error) {
			close(begun)
			<-end
			return 1, nil
		})
	}()
	<-begun
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if _, err := v.Get(ctx, nil); !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
	close(end)
	<-ended
	if got, err := v.Get(ctx, nil); got != 1 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
}
