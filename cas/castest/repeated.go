package castest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas"
)

// testRepeated: a write is applied, others replace it, and then something on the
// way sends the write again, which is refused. That is no conflict: the write was
// there. It is applied, or it is unknown.
func testRepeated(t *testing.T, h Harness) {
	if h.Repeating == nil {
		return // nothing repeats requests
	}
	for _, others := range []int{0, 1, 2, 5, 40} {
		for _, replace := range []bool{false, true} {
			t.Run(fmt.Sprintf("replace %v, then %d", replace, others), func(t *testing.T) {
				testRepeatedWrite(t, h, replace, others)
			})
		}
	}
	t.Run("lost", func(t *testing.T) { testRepeatedLoss(t, h) })
	t.Run("sum", func(t *testing.T) { testRepeatedSum(t, h) })
}

func testRepeatedWrite(t *testing.T, h Harness, replace bool, others int) {
	open, repeat := h.Repeating(t)
	s, third := open(), open()
	expect := read(t, s, "k").Token
	if replace {
		expect = write(t, s, "k", "before", "")
	}
	last := "mine"
	repeat(func() {
		for i := range others {
			last = fmt.Sprintf("theirs %d", i)
			write(t, third, "k", last, read(t, third, "k").Token)
		}
	})
	got := attempt(t.Context(), s, "k", "mine", expect)
	now := read(t, open(), "k")
	switch {
	case string(now.Value) != last:
		t.Fatalf("the record is %q, want %q: repeat does not do what it should", now.Value, last)
	case got.err == nil && (got.token == "" || (got.token == now.Token) != (others == 0)):
		t.Errorf("the token is %q, and %q after %d other writes", got.token, now.Token, others)
	case got.err != nil &&
		(others == 0 || !errors.Is(got.err, cas.ErrIndeterminate) || errors.Is(got.err, cas.ErrConflict)):
		t.Errorf("the write was applied, then replaced %d times: got error %v", others, got.err)
	}
}

// testRepeatedLoss: a write that both times comes too late was not applied.
func testRepeatedLoss(t *testing.T, h Harness) {
	open, repeat := h.Repeating(t)
	s, third := open(), open()
	expect := write(t, s, "k", "before", "")
	write(t, third, "k", "theirs", expect)
	repeat(func() {})
	got := attempt(t.Context(), s, "k", "mine", expect)
	if !errors.Is(got.err, cas.ErrConflict) && !errors.Is(got.err, cas.ErrIndeterminate) {
		t.Errorf("got error %v, want a conflict, or that it is not known", got.err)
	}
}

// testRepeatedSum: with writes that are repeated while a third writer is at work,
// increments that are reported are in the sum, and those that are refused are not.
func testRepeatedSum(t *testing.T, h Harness) {
	open, repeat := h.Repeating(t)
	write(t, open(), "counter", `{"sum":0}`, "")
	const writers = 4
	var mu sync.Mutex
	applied, unknown := 0, 0
	count := func(s cas.Store, nonce string) {
		err := increment(t, s, nonce)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			applied++
		case errors.Is(err, cas.ErrIndeterminate):
			unknown++
		default:
			t.Errorf("increment: %v", err)
		}
	}
	third := open()
	Race(writers, func(w int) {
		s := open()
		for i := range h.rounds(25) {
			nonce := fmt.Sprintf("%d.%d", w, i)
			repeat(func() { count(third, strings.Repeat(nonce, 2)) })
			count(s, nonce)
		}
	})
	got := sum(t, open())
	if got < applied || got > applied+unknown {
		t.Errorf("the sum is %d after %d reported increments and %d unknown ones", got, applied, unknown)
	}
	t.Logf("%d increments applied, %d unknown", applied, unknown)
}
