package config_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/internal/record"
)

// suspended returns a leader that holds lock 1 as its first holder, and has lost it: for
// ten minutes its requests do not reach the store.
func suspended(t *testing.T, store cas.Store) *config.Store {
	t.Helper()
	var unplugged atomic.Bool
	leader := config.New(&castest.Faulty{Store: store, Decide: func(string, string) castest.Fault {
		if unplugged.Load() {
			return castest.FailBefore
		}
		return castest.None
	}}, config.Options{})
	if _, err := leader.AcquireLock(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	unplugged.Store(true)
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	unplugged.Store(false)
	return leader
}

// locked runs fn while its leader holds a lock.
func locked(t *testing.T, leader *config.Store, key int64, fn func()) {
	t.Helper()
	release, err := leader.AcquireLock(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	fn()
}

// TestFence: a leader that lost its lock cannot change what a later holder has activated,
// until it holds the lock again.
func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(cas.Memory)
		must(save("v1"), save("v2"), save("v3"), activate("v3"))(t, store)
		first := suspended(t, store)
		check := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		check("generation 1, before others", first.ActivateSnapshot(t.Context(), "c", "v1"), nil)
		locked(t, open(store), 1, func() {}) // generation 2 does nothing
		check("generation 1, after 2 did nothing", first.ActivateSnapshot(t.Context(), "c", "v3"), nil)
		third := open(store)
		locked(t, third, 1, func() {
			check("generation 3, of what is active", third.ActivateSnapshot(t.Context(), "c", "v3"), nil)
		})
		for what, change := range map[string]func() error{
			"ActivateSnapshot": func() error { return first.ActivateSnapshot(t.Context(), "c", "v1") },
			"FailSnapshot":     func() error { return first.FailSnapshot(t.Context(), "c", "v3") },
			"ResetApplyLog":    func() error { return first.ResetApplyLog(t.Context(), "c", "v3") },
			"SaveSnapshot":     func() error { return first.SaveSnapshot(t.Context(), "c", "v4", nil) },
			"DeleteOldSnapshots": func() error {
				_, err := first.DeleteOldSnapshots(t.Context(), time.Now().Add(time.Hour))
				return err
			},
		} {
			check(what+" of generation 1 after 3", change(), config.ErrLockLost)
		}
		if got := fmt.Sprint(statuses(t, store)); got != "map[v1:inactive v2:pending v3:active]" {
			t.Error("after refusals:", got)
		}
		check("no lock at all", third.ActivateSnapshot(t.Context(), "c", "v2"), nil)
		locked(t, third, 2, func() {
			check("another lock", third.ActivateSnapshot(t.Context(), "c", "v1"), nil)
		})
		locked(t, first, 1, func() {
			check("generation 4", first.ActivateSnapshot(t.Context(), "c", "v3"), nil)
		})
		check("after the release", first.ActivateSnapshot(t.Context(), "c", "v3"), nil)
	})
}

// TestZero: a Store that New has not made returns errors.
func TestZero(t *testing.T) {
	var s config.Store
	ctx := t.Context()
	_, versionErr := s.GetActiveVersion(ctx, "c")
	_, activeErr := s.GetActiveSnapshot(ctx, "c")
	_, getErr := s.GetSnapshot(ctx, "c", "v")
	_, listErr := s.ListSnapshots(ctx, "c")
	_, countErr := s.CountApplied(ctx, "c", "v")
	_, instancesErr := s.AppliedInstances(ctx, "c", "v", "s")
	_, deleteErr := s.DeleteOldSnapshots(ctx, time.Now())
	_, lockErr := s.AcquireLock(ctx, 1)
	_, sessionErr := s.AcquireSession(ctx, 1)
	for i, err := range []error{
		versionErr, activeErr, getErr, listErr, countErr, instancesErr, deleteErr, lockErr, sessionErr,
		s.SaveSnapshot(ctx, "c", "v", nil), s.ActivateSnapshot(ctx, "c", "v"), s.FailSnapshot(ctx, "c", "v"),
		s.LogApply(ctx, "i", "c", "v", "s"), s.ResetApplyLog(ctx, "c", "v"),
	} {
		if !errors.Is(err, record.ErrNoStore) {
			t.Errorf("method %d: %v", i, err)
		}
	}
}
