package castest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/cas"
)

// deleter opens handles on a new store, or returns nil where the engine is no Deleter.
func deleter(t *testing.T, h Harness) func() cas.Deleter {
	open := h.New(t)
	_, ok := open().(cas.Deleter)
	if checkOptional(t, "cas.Deleter", ok, h.NoDelete); !ok {
		return nil
	}
	return func() cas.Deleter { return open().(cas.Deleter) }
}

// testDelete: a record goes if it is the expected one, for every handle, and its key can
// be used again.
func testDelete(t *testing.T, h Harness) {
	open := deleter(t, h)
	if open == nil {
		return
	}
	first := write(t, open(), "a/k", "one", "")
	second := write(t, open(), "a/k", "two", first)
	write(t, open(), "a/l", "other", "")
	for name, expect := range map[string]cas.Token{"stale": first, "invented": "no-such-token", "zero": ""} {
		wantRefused(t, "Delete with a "+name+" token", open().Delete(t.Context(), "a/k", expect))
	}
	wantRecord(t, open(), "a/k", "two", second)
	if err := open().Delete(t.Context(), "a/k", second); err != nil {
		t.Fatal(err)
	}
	if r := read(t, open(), "a/k"); r.Exists() || r.Value != nil {
		t.Errorf("a record that was deleted: %+v", r)
	}
	if r, err := open().Read(t.Context(), "a/k", second); err != nil || r.Exists() || r.Unchanged {
		t.Errorf("a record that was deleted, read by who knew it: %+v, %v", r, err)
	}
	for e, err := range open().List(t.Context(), "", "") {
		if err != nil || e.Key != "a/l" {
			t.Errorf("List after a deletion: %+v, %v", e, err)
		}
	}
	for name, expect := range map[string]cas.Token{"last": second, "zero": ""} {
		wantRefused(t, "Delete, again, with the "+name+" token", open().Delete(t.Context(), "a/k", expect))
		wantRefused(t, "Delete of nothing with the "+name+" token", open().Delete(t.Context(), "b/c", expect))
	}
	_, err := open().Write(t.Context(), "a/k", []byte("three"), second)
	wantRefused(t, "Write over the version that was deleted", err)
	third := write(t, open(), "a/k", "three", "")
	wantRefused(t, "Delete of its predecessor", open().Delete(t.Context(), "a/k", second))
	wantRecord(t, open(), "a/k", "three", third)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = open().Delete(ctx, "a/k", third)
	if err == nil || errors.Is(err, cas.ErrConflict) {
		t.Errorf("Delete with a cancelled context: got error %v", err)
	}
	if !errors.Is(err, cas.ErrIndeterminate) {
		wantRecord(t, open(), "a/k", "three", third)
	}
	for _, key := range []string{"", "/", "../a", "a//b", "A", ".a"} {
		wantIs(t, fmt.Sprintf("Delete(%q)", key), open().Delete(t.Context(), key, third), cas.ErrInvalidKey)
	}
}

func wantRefused(t *testing.T, what string, err error) {
	t.Helper()
	wantIs(t, what, err, cas.ErrConflict)
	if errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("%s: a refusal is not indeterminate: %v", what, err)
	}
}

// testDeleteRace: of many that delete or replace one version one succeeds. And with many
// that create and delete, there is a record in the end if one more was created.
func testDeleteRace(t *testing.T, h Harness) {
	open := deleter(t, h)
	if open == nil {
		return
	}
	token := cas.Token("")
	for round := range h.rounds(10) {
		if token == "" {
			token = write(t, open(), "k", fmt.Sprint("start ", round), "")
		}
		outcomes := Results(racers, func(i int) outcome {
			if i%2 == 0 {
				return outcome{err: open().Delete(t.Context(), "k", token)}
			}
			return attempt(t.Context(), open(), "k", raced(round, i), token)
		})
		won := 0
		for _, o := range outcomes {
			if o.err == nil {
				token, won = o.token, won+1
				continue
			}
			wantRefused(t, "a loser", o.err)
		}
		if won != 1 || read(t, open(), "k").Token != token {
			t.Fatalf("%d have won, and the record is not what the winner left", won)
		}
	}
	var balance atomic.Int64
	Race(8, func(w int) {
		s := open()
		for i := range h.rounds(25) {
			r := read(t, s, "sum")
			if r.Exists() {
				if err := s.Delete(t.Context(), "sum", r.Token); err == nil {
					balance.Add(-1)
				}
			} else if attempt(t.Context(), s, "sum", raced(w, i), "").err == nil {
				balance.Add(1)
			}
		}
	})
	if exists := read(t, open(), "sum").Exists(); balance.Load() != map[bool]int64{true: 1}[exists] {
		t.Errorf("created %d times more than deleted, and it is %v that there is a record", balance.Load(), exists)
	}
}
