package lease_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// TestNote: readers find the note of the version that they have read, and of no other.
func TestNote(t *testing.T) {
	m := new(cas.Memory)
	cfg := lease.Config{Owner: "holder", TTL: time.Minute, MaxTTL: time.Minute, Note: json.RawMessage(`{"n":1}`)}
	open := func(cfg *lease.Config) *lease.Leaser {
		return lease.NewLeaser("test", func() lease.Config { return *cfg },
			func(context.Context) (cas.Store, error) { return m, nil })
	}
	holder, reader := open(&cfg), open(&lease.Config{MaxTTL: time.Minute})
	held, err := holder.AcquireLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := reader.ReadLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if note, ok := reader.Note(first); !ok || string(note) != `{"n":1}` {
		t.Errorf("the note is %s, %v", note, ok)
	}
	cfg.Note = nil
	if _, err = holder.RenewLease(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	second, _, err := reader.ReadLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if note, ok := reader.Note(second); !ok || note != nil {
		t.Errorf("renewed without one, the note is %s, %v", note, ok)
	}
	if note, ok := reader.Note(first); ok {
		t.Errorf("of the version before, the note is %s", note)
	}
	cfg.Note = json.RawMessage("no JSON")
	if err := holder.ReleaseLease(t.Context(), second); err == nil {
		t.Error("a note that is no JSON is written")
	}
}
