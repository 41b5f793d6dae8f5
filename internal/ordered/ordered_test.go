package ordered_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/ordered"
)

func count(n int, last error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if last != nil {
			yield(0, last)
		}
	}
}

func TestMapKeepsOrderAndBound(t *testing.T) {
	var active, peak atomic.Int32
	square := func(_ context.Context, i int) (int, error) {
		peak.Store(max(peak.Load(), active.Add(1)))
		defer active.Add(-1)
		time.Sleep(time.Duration(i%7) * 100 * time.Microsecond) // later items overtake earlier ones
		return i * i, nil
	}
	i := 0
	for got, err := range ordered.Map(t.Context(), 8, count(200, nil), square) {
		if err != nil || got != i*i {
			t.Fatalf("item %d: got %d, %v", i, got, err)
		}
		i++
	}
	if i != 200 {
		t.Errorf("%d items, want 200", i)
	}
	if p := peak.Load(); p > 8 {
		t.Errorf("%d calls at once, want at most 8", p)
	}
}

func TestMapEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	for name, seq := range map[string]iter.Seq2[int, error]{
		"of the sequence": ordered.Map(t.Context(), 4, count(3, broken),
			func(_ context.Context, i int) (int, error) { return i, nil }),
		"of the function": ordered.Map(t.Context(), 4, count(100, nil), func(_ context.Context, i int) (int, error) {
			if i == 3 {
				return 0, broken
			}
			return i, nil
		}),
	} {
		var got []int
		var last error
		for v, err := range seq {
			if last = err; err == nil {
				got = append(got, v)
			}
		}
		if !errors.Is(last, broken) || !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("error %s: got %v, %v", name, got, last)
		}
	}
}

func TestMapBreakCancelsAndWaits(t *testing.T) {
	var active atomic.Int32
	for range ordered.Map(t.Context(), 4, count(100, nil), func(ctx context.Context, i int) (int, error) {
		active.Add(1)
		defer active.Add(-1)
		if i > 0 {
			<-ctx.Done()
		}
		return i, nil
	}) {
		break
	}
	if n := active.Load(); n != 0 {
		t.Errorf("%d calls still running after the loop", n)
	}
}
