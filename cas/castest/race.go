package castest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/cas"
)

const racers = 64

func testCreateRace(t *testing.T, h Harness) {
	open := h.New(t)
	for round := range h.rounds(10) {
		key := fmt.Sprintf("race/%d", round)
		wantOneWinner(t, open(), key, Results(racers, func(i int) outcome {
			return attempt(t.Context(), open(), key, raced(round, i), "")
		}), round)
	}
}

func testReplaceRace(t *testing.T, h Harness) {
	open := h.New(t)
	token := write(t, open(), "k", "start", "")
	for round := range h.rounds(10) {
		expect := token
		token = wantOneWinner(t, open(), "k", Results(racers, func(i int) outcome {
			return attempt(t.Context(), open(), "k", raced(round, i), expect)
		}), round)
	}
}

// raced is what a racer writes: unlike the value of any other round, whose token
// it might share otherwise, so that a second racer could still win.
func raced(round, i int) string { return fmt.Sprintf("%d.%d", round, i) }

// counter is a record that several writers increment. The nonce makes each
// value unlike any other.
type counter struct {
	Sum   int    `json:"sum"`
	Nonce string `json:"nonce"`
}

// increment adds one, and goes on until that is known to have happened or known
// to be unknown.
func increment(t *testing.T, s cas.Store, nonce string) error {
	for try := 0; ; try++ {
		r, err := s.Read(t.Context(), "counter", "")
		if err != nil {
			return err
		}
		var c counter
		if r.Exists() {
			if err := json.Unmarshal(r.Value, &c); err != nil {
				return fmt.Errorf("torn record %q: %w", r.Value, err)
			}
		}
		value, err := json.Marshal(counter{c.Sum + 1, fmt.Sprintf("%s.%d", nonce, try)})
		if err != nil {
			return err
		}
		if _, err = cas.Swap(t.Context(), s, "counter", value, r.Token); !errors.Is(err, cas.ErrConflict) {
			return err
		}
	}
}

func sum(t *testing.T, s cas.Store) int {
	t.Helper()
	var c counter
	if err := json.Unmarshal(read(t, s, "counter").Value, &c); err != nil {
		t.Fatal(err)
	}
	return c.Sum
}

// testIncrements: every increment that is reported is in the sum, and no other. A writer
// that falls far behind the others may not be told whether its own was; that is rare.
func testIncrements(t *testing.T, h Harness) {
	open := h.New(t)
	const writers = 8
	each := h.rounds(25)
	var unknown atomic.Int64
	for _, err := range Results(writers, func(w int) error {
		s := open()
		for i := range each {
			err := increment(t, s, fmt.Sprintf("%d.%d", w, i))
			if errors.Is(err, cas.ErrIndeterminate) {
				unknown.Add(1)
			} else if err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	doubt, all := int(unknown.Load()), writers*each
	if got := sum(t, open()); got < all-doubt || got > all || doubt > all/10 {
		t.Errorf("the sum is %d after %d increments, %d of them unknown", got, all, doubt)
	}
}

// testTornReads: a reader beside writers sees whole versions, never older than
// one that it has seen before.
func testTornReads(t *testing.T, h Harness) {
	open := h.New(t)
	version := func(i int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), 4096) }
	token := write(t, open(), "k", string(version(0)), "")
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			s, last := open(), 0
			for {
				select {
				case <-done:
					return
				default:
				}
				r, err := s.Read(t.Context(), "k", "")
				if err != nil {
					t.Errorf("Read: %v", err)
					return
				}
				n, err := strconv.Atoi(string(r.Value[:min(8, len(r.Value))]))
				if err != nil || !bytes.Equal(r.Value, version(n)) {
					t.Errorf("torn read: %d bytes, %.20q", len(r.Value), r.Value)
					return
				}
				if n < last {
					t.Errorf("read went back from version %d to %d", last, n)
				}
				last = n
			}
		})
	}
	s := open()
	for i := 1; i <= h.rounds(100); i++ {
		token = write(t, s, "k", string(version(i)), token)
	}
	close(done)
	readers.Wait()
}

// testFaultyWriters: with answers lost before and after the write, Swap still
// counts right: reported increments are in the sum once each, and of the others
// at most the indeterminate ones.
func testFaultyWriters(t *testing.T, h Harness) {
	open := h.New(t)
	write(t, open(), "counter", `{"sum":0}`, "")
	const writers = 6
	each := h.rounds(20)
	var mu sync.Mutex
	applied, unknown := 0, 0
	Race(writers, func(w int) {
		s := NewFaulty(open(), uint64(w))
		for i := range each {
			err := increment(t, s, fmt.Sprintf("%d.%d", w, i))
			mu.Lock()
			switch {
			case err == nil:
				applied++
			case errors.Is(err, cas.ErrIndeterminate):
				unknown++
			case !errors.Is(err, ErrInjected):
				t.Errorf("increment: %v", err)
			}
			mu.Unlock()
		}
	})
	if got := sum(t, open()); got < applied || got > applied+unknown {
		t.Errorf("the sum is %d after %d reported increments and %d unknown ones", got, applied, unknown)
	}
	if applied == 0 {
		t.Error("no increment got through")
	}
}
