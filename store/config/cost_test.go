package config_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/store/config"
)

// TestCost counts the requests that doc.go promises.
func TestCost(t *testing.T) {
	srv := fakes3.New(t)
	s, other := open(fake(t, srv)), open(fake(t, srv))
	release := func() {}
	later := time.Now().Add(time.Hour)
	saveV1 := func(ctx context.Context) error { return s.SaveSnapshot(ctx, "c", "v1", content("v1")) }
	activateV1 := func(ctx context.Context) error { return s.ActivateSnapshot(ctx, "c", "v1") }
	getVersion := func(ctx context.Context) error { _, err := other.GetActiveVersion(ctx, "c"); return err }
	getActive := func(ctx context.Context) error { _, err := other.GetActiveSnapshot(ctx, "c"); return err }
	getV1 := func(ctx context.Context) error { _, err := other.GetSnapshot(ctx, "c", "v1"); return err }
	lock := func(ctx context.Context) (err error) { release, err = s.AcquireLock(ctx, 1); return err }
	deleteOld := func(ctx context.Context) error { _, err := s.DeleteOldSnapshots(ctx, later); return err }
	log := func(ctx context.Context, s *config.Store, instance, status string) error {
		return s.LogApply(ctx, instance, "c", "v1", status)
	}
	for _, c := range []struct {
		name string
		want int
		op   func(ctx context.Context) error
	}{
		{"SaveSnapshot", 4, saveV1},
		{"SaveSnapshot again", 1, saveV1},
		{"SaveSnapshot of another", 4, func(ctx context.Context) error { return s.SaveSnapshot(ctx, "c", "v2", nil) }},
		{"SaveSnapshot of a third", 4, func(ctx context.Context) error { return s.SaveSnapshot(ctx, "c", "v3", nil) }},
		{"ActivateSnapshot", 2, activateV1},
		{"ActivateSnapshot again", 1, activateV1},
		{"FailSnapshot", 2, func(ctx context.Context) error { return s.FailSnapshot(ctx, "c", "v2") }},
		{"FailSnapshot again", 1, func(ctx context.Context) error { return s.FailSnapshot(ctx, "c", "v2") }},
		{"GetActiveVersion", 1, getVersion},
		{"GetActiveVersion again", 1, getVersion},
		{"GetActiveSnapshot", 2, getActive},
		{"GetSnapshot", 2, getV1},
		{"ListSnapshots", 1, func(ctx context.Context) error { _, err := other.ListSnapshots(ctx, "c"); return err }},
		{"ResetApplyLog", 2, func(ctx context.Context) error { return s.ResetApplyLog(ctx, "c", "v1") }},
		{"LogApply", 2, func(ctx context.Context) error { return log(ctx, other, "i1", "prepared") }},
		{"LogApply, changed", 2, func(ctx context.Context) error { return log(ctx, other, "i1", config.Applied) }},
		{"LogApply by another", 2 + 3, func(ctx context.Context) error { return log(ctx, s, "i1", config.Applied) }},
		{"LogApply of another", 2, func(ctx context.Context) error { return log(ctx, other, "i2", config.Applied) }},
		{"CountApplied, one unseen", 3, func(ctx context.Context) error { return count(ctx, s, 2) }},
		{"CountApplied, all seen", 2, func(ctx context.Context) error { return count(ctx, s, 2) }},
		{"AcquireLock", 2, lock},
		{"ActivateSnapshot again, the first under the lock", 2, activateV1},
		{"ActivateSnapshot again, under the lock", 1, activateV1},
		{"release", 1, func(context.Context) error { release(); return nil }},
		{"DeleteOldSnapshots, 2 of 3", 1 + 1 + 3 + 3*2, deleteOld},
		{"DeleteOldSnapshots, none", 1 + 1, deleteOld},
	} {
		srv.Reset()
		if err := c.op(t.Context()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := srv.Count(""); got != c.want {
			t.Errorf("%s: %d requests, want %d", c.name, got, c.want)
		}
	}
}

func count(ctx context.Context, s *config.Store, want int) error {
	n, err := s.CountApplied(ctx, "c", "v1")
	if err == nil && n != want {
		err = fmt.Errorf("%d instances have applied it, want %d", n, want)
	}
	return err
}

// TestFleet: a thousand instances, and a leader that polls: each status is read once.
func TestFleet(t *testing.T) {
	store := new(cas.Memory)
	must(save("v1"))(t, store)
	leader := open(store)
	for n := 1; n <= 1000; n++ {
		if err := open(store).LogApply(t.Context(), fmt.Sprint("host-", n), "c", "v1", config.Applied); err != nil {
			t.Fatal(err)
		}
		if n%250 == 0 {
			if err := count(t.Context(), leader, n); err != nil {
				t.Error(err)
			}
		}
	}
}
