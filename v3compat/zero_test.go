package v3compat

import (
	"errors"
	"testing"
)

// A Reader without a store says so; nothing that it answers looks like an empty backup.
func TestZeroReader(t *testing.T) {
	for _, r := range []*Reader{{}, New(nil)} {
		for name, call := range map[string]func() error{
			"Generations": func() error { _, err := r.Generations(t.Context()); return err },
			"ListAll":     func() error { _, err := r.ListAll(t.Context()); return err },
			"List":        func() error { _, err := r.List(t.Context(), genID); return err },
			"Snapshots":   func() error { _, err := r.Snapshots(t.Context(), genID); return err },
			"WALSegments": func() error { _, err := r.WALSegments(t.Context(), genID); return err },
			"Points":      func() error { _, err := r.Points(t.Context(), genID); return err },
			"Plan":        func() error { _, err := r.Plan(t.Context(), Target{}); return err },
			"Inspect": func() error {
				_, err := r.Inspect(t.Context(), genID, InspectOptions{Read: true})
				return err
			},
			"OpenSnapshot":   func() error { _, err := r.OpenSnapshot(t.Context(), genID, 0); return err },
			"OpenWALSegment": func() error { _, err := r.OpenWALSegment(t.Context(), genID, 0, 0); return err },
			"ReadTimes":      func() error { _, err := r.ReadTimes(t.Context(), genID); return err },
			"Restore": func() error {
				plan := &Plan{Generation: genID, Snapshot: SnapshotInfo{Generation: genID}}
				_, err := r.Restore(t.Context(), plan, &memDB{}, RestoreOptions{})
				return err
			},
		} {
			if err := call(); !errors.Is(err, errNoStore) {
				t.Errorf("%s: got %v, want %v", name, err, errNoStore)
			}
		}
	}
}

func TestZeroValues(t *testing.T) {
	r := New(makeSmall(t).store)
	for name, plan := range map[string]*Plan{"none": nil, "zero": {}} {
		if _, err := r.Restore(t.Context(), plan, &memDB{}, RestoreOptions{}); err == nil {
			t.Errorf("%s: a restore without an error", name)
		}
	}
	plan, err := r.Plan(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Restore(t.Context(), plan, nil, RestoreOptions{}); err == nil {
		t.Error("a restore to no database without an error")
	}
	if err := PutTimes(t.Context(), nil, genID, nil); err == nil {
		t.Error("times put into no store without an error")
	}
	var g Generation
	if _, known := g.Newest(); !g.Empty() || !known || len(g.All()) > 0 || !g.Only(nil).Empty() {
		t.Error("the zero generation is not empty")
	}
	if got := (&ObjectError{}).Error() + (&UnreachableError{}).Error(); got == "" {
		t.Error("errors without a text")
	}
	if NamesOnly() == nil || Severity("").rank() >= 0 {
		t.Error("zero values that are something")
	}
}
