package config_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/config"
)

func open(s cas.Store) *config.Store { return config.New(s, config.Options{}) }

func content(version string) []byte { return []byte("content of " + version) }

type step = func(ctx context.Context, s cas.Store) error

func save(version string) step {
	return func(ctx context.Context, s cas.Store) error {
		return open(s).SaveSnapshot(ctx, "c", version, content(version))
	}
}

// saveOther saves a version with content that is not its.
func saveOther(version string) step {
	return func(ctx context.Context, s cas.Store) error {
		return open(s).SaveSnapshot(ctx, "c", version, []byte("content of nobody"))
	}
}

func activate(version string) step {
	return func(ctx context.Context, s cas.Store) error { return open(s).ActivateSnapshot(ctx, "c", version) }
}

func deleteAll(ctx context.Context, s cas.Store) error {
	_, err := open(s).DeleteOldSnapshots(ctx, time.Now().Add(time.Hour))
	return err
}

// get gets a version, or the active one, and fails if it has not its content.
func get(version string) step {
	return func(ctx context.Context, s cas.Store) error {
		snapshot, err := open(s).GetActiveSnapshot(ctx, "c")
		if version != "" {
			snapshot, err = open(s).GetSnapshot(ctx, "c", version)
		}
		if err == nil && !bytes.Equal(snapshot.Content, content(snapshot.Version)) {
			err = fmt.Errorf("version %q has the content %q", snapshot.Version, snapshot.Content)
		}
		return err
	}
}

func steps(steps ...step) step {
	return func(ctx context.Context, s cas.Store) error {
		for _, step := range steps {
			if err := step(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}

func must(steps ...step) func(t *testing.T, s cas.Store) {
	return func(t *testing.T, s cas.Store) {
		t.Helper()
		for _, step := range steps {
			if err := step(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// oneActive: exactly one snapshot is active, and has its content.
func oneActive(t *testing.T, s cas.Store) {
	t.Helper()
	active, err := open(s).GetActiveSnapshot(t.Context(), "c")
	if err != nil {
		t.Errorf("the active snapshot: %v", err)
		return
	}
	if !bytes.Equal(active.Content, content(active.Version)) || active.Status != config.StatusActive {
		t.Errorf("the active snapshot: %+v", active)
	}
	n := 0
	for version, status := range statuses(t, s) {
		if status == config.StatusActive {
			n++
		}
		got, err := open(s).GetSnapshot(t.Context(), "c", version)
		if err != nil || !bytes.Equal(got.Content, content(version)) {
			t.Errorf("snapshot %q: %+v, %v", version, got, err)
		}
	}
	if n != 1 {
		t.Errorf("%d snapshots are active", n)
	}
}

func statuses(t *testing.T, s cas.Store) map[string]config.Status {
	t.Helper()
	list, err := open(s).ListSnapshots(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[string]config.Status{}
	for _, snapshot := range list {
		statuses[snapshot.Version] = snapshot.Status
	}
	return statuses
}

// wantNoWaste: there are no contents but those of the snapshots, and where the store can
// delete no marks either.
func wantNoWaste(t *testing.T, s cas.Store) {
	t.Helper()
	n := 0
	_, deletes := s.(cas.Deleter)
	for e, err := range s.List(t.Context(), "config/contents/", "") {
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Read(t.Context(), e.Key, "")
		if err != nil || deletes || bytes.Contains(r.Value, []byte("content of ")) {
			n++
		}
	}
	if want := len(statuses(t, s)); n != want {
		t.Errorf("there are %d contents of %d snapshots", n, want)
	}
}

// wantErrors: each client succeeded or failed as it may.
func wantErrors(t *testing.T, errs []error, allowed ...error) {
	t.Helper()
	for i, err := range errs {
		if err != nil && (allowed[i] == nil || !errors.Is(err, allowed[i])) {
			t.Errorf("client %d: %v", i, err)
		}
	}
}

// TestEveryOrder tries all orders of the requests of two clients.
func TestEveryOrder(t *testing.T) {
	two := must(save("v0"), activate("v0"), save("v1"), save("v2"))
	one := must(save("v0"), activate("v0"), save("v1")) // where there are many orders
	notFound := config.ErrSnapshotNotFound
	for name, r := range map[string]race{
		"activate and activate": {setup: two, clients: []step{activate("v1"), activate("v2")},
			atEnd: func(t *testing.T, s cas.Store, errs []error) {
				wantErrors(t, errs, nil, nil)
				if statuses(t, s)["v0"] != config.StatusInactive {
					t.Error("the first one is not inactive")
				}
			}},
		"activate and delete": {setup: two, clients: []step{activate("v1"), deleteAll},
			atEnd: func(t *testing.T, s cas.Store, errs []error) {
				wantErrors(t, errs, notFound, nil)
				if got := statuses(t, s)["v1"]; (errs[0] == nil) != (got == config.StatusActive) {
					t.Errorf("activating gives %v, and the snapshot is %q", errs[0], got)
				}
			}},
		"there and back, and delete": {setup: one, clients: []step{steps(activate("v1"), activate("v0")), deleteAll},
			atEnd: func(t *testing.T, _ cas.Store, errs []error) { wantErrors(t, errs, notFound, nil) }},
		"get the active and replace it": {setup: two, clients: []step{get(""), steps(activate("v1"), deleteAll)},
			atEnd: func(t *testing.T, _ cas.Store, errs []error) { wantErrors(t, errs, nil, nil) }},
		"get and delete": {setup: two, clients: []step{get("v1"), deleteAll},
			atEnd: func(t *testing.T, _ cas.Store, errs []error) { wantErrors(t, errs, notFound, nil) }},
		"save again and delete": {setup: two, clients: []step{save("v1"), deleteAll},
			atEnd: func(t *testing.T, _ cas.Store, errs []error) { wantErrors(t, errs, nil, nil) }},
		"save other content and delete": {setup: two, clients: []step{saveOther("v1"), deleteAll},
			atEnd: func(t *testing.T, _ cas.Store, errs []error) {
				wantErrors(t, errs, config.ErrSnapshotExists, nil)
				if errs[0] == nil {
					t.Error("a version has got other content")
				}
			}},
		"save and save": {setup: two, clients: []step{save("v3"), save("v3")},
			atEnd: func(t *testing.T, s cas.Store, errs []error) {
				wantErrors(t, errs, nil, nil)
				if got := statuses(t, s)["v3"]; got != config.StatusPending {
					t.Errorf("what was saved is %q", got)
				}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.always = oneActive
			atEnd := r.atEnd
			r.atEnd = func(t *testing.T, s cas.Store, errs []error) {
				atEnd(t, s, errs)
				wantNoWaste(t, s)
			}
			for _, r.keeps = range []bool{false, true} {
				t.Logf("%d orders, the store cannot delete: %v", r.everyOrder(t), r.keeps)
			}
		})
	}
}

// TestEveryDeath kills the first of two clients before each of its requests, in all
// orders with those of the second. What it has left is right, and what it has left
// undone the next deletion does.
func TestEveryDeath(t *testing.T) {
	for name, clients := range map[string][]step{
		"delete, beside activate": {deleteAll, activate("v1")},
		"activate, beside delete": {activate("v1"), deleteAll},
		"delete, beside save":     {deleteAll, save("v1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			setup := steps(save("v0"), activate("v0"), save("v1"))
			everyDeath(t, setup, clients, false, func(r race) { r.everyOrder(t) })
			everyDeath(t, setup, clients, true, func(r race) { r.everyOrder(t) })
		})
	}
}

// TestSomeOrders has more clients, or more requests, than all orders can be tried of.
func TestSomeOrders(t *testing.T) {
	for name, clients := range map[string][]step{
		"delete, delete":               {deleteAll, deleteAll},
		"delete, activate, activate":   {deleteAll, activate("v1"), activate("v2")},
		"delete, delete and all again": {deleteAll, deleteAll, steps(save("v3"), activate("v3"), activate("v0"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			setup := steps(save("v0"), activate("v0"), save("v1"), save("v2"))
			everyDeath(t, setup, clients, false, func(r race) { r.someOrders(t, 10) })
			everyDeath(t, setup, clients, true, func(r race) { r.someOrders(t, 10) })
		})
	}
}

// everyDeath runs a race with the first client killed ever later, and at last not.
func everyDeath(t *testing.T, setup step, clients []step, keeps bool, run func(race)) {
	for kill, died := 1, true; died && !t.Failed(); kill++ {
		died = false
		run(race{
			setup:   must(setup),
			clients: clients,
			kill:    kill,
			keeps:   keeps,
			always:  oneActive,
			atEnd: func(t *testing.T, s cas.Store, errs []error) {
				died = died || errors.Is(errs[0], errKilled)
				for _, err := range errs {
					if err != nil && !errors.Is(err, errKilled) && !errors.Is(err, config.ErrSnapshotNotFound) {
						t.Error(err)
					}
				}
				must(deleteAll)(t, s)
				wantNoWaste(t, s)
			},
		})
	}
}

// TestLogAndReset: a status that is logged while the log is reset is there or not,
// and what was there is not.
func TestLogAndReset(t *testing.T) {
	log := func(status string) step {
		return func(ctx context.Context, s cas.Store) error {
			return open(s).LogApply(ctx, "i", "c", "v0", status)
		}
	}
	reset := func(ctx context.Context, s cas.Store) error { return open(s).ResetApplyLog(ctx, "c", "v0") }
	ids := func(t *testing.T, s cas.Store, status string) string {
		ids, err := open(s).AppliedInstances(t.Context(), "c", "v0", status)
		if err != nil {
			t.Error(err)
		}
		return fmt.Sprint(ids)
	}
	results := map[string]bool{}
	race{
		setup:   must(save("v0"), activate("v0"), log("old")),
		clients: []step{log("new"), reset},
		always:  oneActive,
		atEnd: func(t *testing.T, s cas.Store, errs []error) {
			wantErrors(t, errs, nil, nil)
			results[ids(t, s, "old")+ids(t, s, "new")] = true
		},
	}.everyOrder(t)
	if len(results) != 2 || !results["[][]"] || !results["[][i]"] {
		t.Errorf("got %v, want either nothing or the new status", results)
	}
}
