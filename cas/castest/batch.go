package castest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas"
)

// batcher opens handles on a new store, or returns nil where the engine is no Batcher.
func batcher(t *testing.T, h Harness) func() cas.Batcher {
	open := h.New(t)
	_, ok := open().(cas.Batcher)
	if checkOptional(t, "cas.Batcher", ok, h.NoBatch); !ok {
		return nil
	}
	return func() cas.Batcher { return open().(cas.Batcher) }
}

func change(key, value string, expect cas.Token) cas.Change {
	return cas.Change{Key: key, Value: []byte(value), Expect: expect}
}

// testBatch: all writes of a batch are applied, or none.
func testBatch(t *testing.T, h Harness) {
	open := batcher(t, h)
	if open == nil {
		return
	}
	ctx := t.Context()
	stale := write(t, open(), "a/old", "one", "")
	old := write(t, open(), "a/old", "two", stale)
	for name, c := range map[string]cas.Change{
		"stale": change("a/old", "x", stale), "invented": change("a/old", "x", "no-such-token"),
		"zero": change("a/old", "x", ""), "of nothing": change("a/none", "x", old),
	} {
		for _, all := range [][]cas.Change{{c, change("b/new", "x", "")}, {change("b/new", "x", ""), c}} {
			_, err := open().WriteAll(ctx, all)
			wantRefused(t, "WriteAll with a token that is "+name, err)
		}
		if read(t, open(), "b/new").Exists() || read(t, open(), "a/none").Exists() {
			t.Fatalf("a batch with a token that is %s was applied in part", name)
		}
		wantRecord(t, open(), "a/old", "two", old)
	}
	var all []cas.Change
	for i := range cas.MaxBatch - 1 {
		all = append(all, change(fmt.Sprintf("b/%d", i), fmt.Sprint("new ", i), ""))
	}
	all = append(all, change("a/old", "three", old))
	written, err := open().WriteAll(ctx, all)
	if err != nil || len(written) != len(all) {
		t.Fatalf("WriteAll returns %d results of %d, %v", len(written), len(all), err)
	}
	for i, c := range all {
		wantRecord(t, open(), c.Key, string(c.Value), written[i].Token)
		if written[i].StoreTime.IsZero() == h.Clock {
			t.Errorf("%s: store time %v, the harness says %v to a clock", c.Key, written[i].StoreTime, h.Clock)
		}
	}
	testBatchArguments(t, open())
}

func testBatchArguments(t *testing.T, s cas.Batcher) {
	for name, all := range map[string][]cas.Change{
		"nothing": {}, "a key twice": {change("c", "1", ""), change("c", "2", "")},
		"no key": {change("c", "1", ""), change("../c", "2", "")}, "too much": make([]cas.Change, cas.MaxBatch+1),
	} {
		for i := range all {
			if name == "too much" {
				all[i] = change(fmt.Sprint("c/", i), "x", "")
			}
		}
		if _, err := s.WriteAll(t.Context(), all); err == nil || errors.Is(err, cas.ErrIndeterminate) {
			t.Errorf("WriteAll of %s: got error %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.WriteAll(ctx, []cas.Change{change("c", "1", "")})
	if err == nil || errors.Is(err, cas.ErrConflict) {
		t.Errorf("WriteAll with a cancelled context: got error %v", err)
	}
	if r := read(t, s, "c"); r.Exists() && !errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("a batch that was refused has written %q", r.Value)
	}
}

// testBatchRace: writers add to three counters at once, in any order, and to one of them
// alone is not possible. A reader that reads one after the other never sees the second behind.
func testBatchRace(t *testing.T, h Harness) {
	open := batcher(t, h)
	if open == nil {
		return
	}
	keys := []string{"n/a", "n/b", "n/c"}
	var mu sync.Mutex
	total := 0
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() { watchCounters(t, open(), keys, done) })
	Race(6, func(w int) {
		s := open()
		for i := range h.rounds(25) {
			if addToAll(t, s, keys, (w+i)%len(keys)) {
				mu.Lock()
				total++
				mu.Unlock()
			}
		}
	})
	close(done)
	reader.Wait()
	for _, key := range keys {
		if got := count(t, read(t, open(), key)); got != total || total == 0 {
			t.Errorf("%s is %d after %d batches", key, got, total)
		}
	}
}

// addToAll adds one to each counter, beginning with the one at first; a refusal is false.
func addToAll(t *testing.T, s cas.Batcher, keys []string, first int) bool {
	var all []cas.Change
	for i := range keys {
		key := keys[(first+i)%len(keys)]
		r, err := s.Read(t.Context(), key, "")
		if err != nil {
			t.Errorf("Read: %v", err)
			return false
		}
		all = append(all, change(key, strconv.Itoa(count(t, r)+1), r.Token))
	}
	_, err := s.WriteAll(t.Context(), all)
	if err != nil {
		wantRefused(t, "a loser", err)
	}
	return err == nil
}

func count(t *testing.T, r cas.Record) int {
	if !r.Exists() {
		return 0
	}
	n, err := strconv.Atoi(string(r.Value))
	if err != nil {
		t.Errorf("a counter: %v", err)
	}
	return n
}

func watchCounters(t *testing.T, s cas.Store, keys []string, done <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		last := 0
		for j := range keys {
			r, err := s.Read(t.Context(), keys[(i+j)%len(keys)], "")
			if err != nil {
				t.Errorf("Read: %v", err)
				return
			}
			n := count(t, r)
			if n < last {
				t.Errorf("a reader has seen a batch in part: %d, and then %d", last, n)
			}
			last = n
		}
	}
}
