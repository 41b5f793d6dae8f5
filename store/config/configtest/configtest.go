// Package configtest is the contract of package config as a test. It tests any
// config.Storage: a [config.Store] over an engine, or an implementation without one.
package configtest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/replctl/replicate/store/config"
)

// Harness says how to make what is tested.
type Harness struct {
	// New makes a fresh, empty storage that the test owns, and returns a function
	// that opens a new handle on it each time, as another process would.
	New func(t *testing.T) (open func() config.Storage)

	// Slow storages (on a server behind a socket) get fewer rounds in races.
	Slow bool
}

func (h Harness) rounds(n int) int {
	if h.Slow {
		return max(1, n/5)
	}
	return n
}

// Run runs every test of the contract, several at once.
func Run(t *testing.T, h Harness) {
	if h.New == nil {
		t.Fatal("the harness has no New")
	}
	for name, test := range map[string]func(*testing.T, Harness){
		"Nothing":        testNothing,
		"Lifecycle":      testLifecycle,
		"SaveAgain":      testSaveAgain,
		"Fail":           testFail,
		"Names":          testNames,
		"InvalidNames":   testInvalidNames,
		"Sizes":          testSizes,
		"ApplyLog":       testApplyLog,
		"ResetApplyLog":  testResetApplyLog,
		"Delete":         testDelete,
		"DeletedLog":     testDeletedLog,
		"Lock":           testLock,
		"LockRace":       testLockRace,
		"SaveRace":       testSaveRace,
		"ActivationRace": testActivationRace,
		"DeletionRace":   testDeletionRace,
		"ApplyRace":      testApplyRace,
		"KeptContent":    testKeptContent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

const fleet = "fleet" // a collection

func check(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want one that is %q", what, err, target)
	}
}

func contentOf(version string) []byte { return []byte("content of " + version) }

func save(t *testing.T, s config.Storage, versions ...string) {
	t.Helper()
	for _, v := range versions {
		check(t, "SaveSnapshot", s.SaveSnapshot(t.Context(), fleet, v, contentOf(v)))
	}
}

func activate(t *testing.T, s config.Storage, version string) {
	t.Helper()
	check(t, "ActivateSnapshot", s.ActivateSnapshot(t.Context(), fleet, version))
}

// wantSnapshots checks the statuses of all versions, given as "version status", by
// each way to see them.
func wantSnapshots(t *testing.T, s config.Storage, want ...string) {
	t.Helper()
	list, err := s.ListSnapshots(t.Context(), fleet)
	check(t, "ListSnapshots", err)
	got, active := []string{}, ""
	for _, snapshot := range list {
		got = append(got, snapshot.Version+" "+string(snapshot.Status))
		if snapshot.Status == config.StatusActive {
			active = snapshot.Version
		}
		one, err := s.GetSnapshot(t.Context(), fleet, snapshot.Version)
		check(t, "GetSnapshot", err)
		snapshot.Content = contentOf(snapshot.Version)
		if diff := cmp.Diff(&snapshot, one); diff != "" {
			t.Errorf("version %q (-listed +got):\n%s", snapshot.Version, diff)
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("snapshots (-want +got):\n%s", diff)
	}
	wantActive(t, s, active)
}

// wantActive checks which version is active; "" is none.
func wantActive(t *testing.T, s config.Storage, want string) {
	t.Helper()
	version, err := s.GetActiveVersion(t.Context(), fleet)
	snapshot, getErr := s.GetActiveSnapshot(t.Context(), fleet)
	if want == "" {
		wantIs(t, "GetActiveVersion without one", err, config.ErrSnapshotNotFound)
		wantIs(t, "GetActiveSnapshot without one", getErr, config.ErrSnapshotNotFound)
		return
	}
	check(t, "GetActiveVersion", err)
	check(t, "GetActiveSnapshot", getErr)
	if version != want || snapshot.Version != want || snapshot.Status != config.StatusActive {
		t.Errorf("active are version %q and snapshot %q, %s, want %q", version, snapshot.Version, snapshot.Status, want)
	}
	wantContent(t, snapshot)
}

func wantContent(t *testing.T, s *config.Snapshot) {
	t.Helper()
	if string(s.Content) != string(contentOf(s.Version)) {
		t.Errorf("version %q has the content %.40q", s.Version, s.Content)
	}
}

func wantApplied(t *testing.T, s config.Storage, version, status string, want ...string) {
	t.Helper()
	got, err := s.AppliedInstances(t.Context(), fleet, version, status)
	check(t, "AppliedInstances", err)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("instances that are %q with %q (-want +got):\n%s", status, version, diff)
	}
	if status != config.Applied {
		return
	}
	n, err := s.CountApplied(t.Context(), fleet, version)
	if err != nil || n != len(want) {
		t.Errorf("CountApplied(%q): %d, %v, want %d", version, n, err, len(want))
	}
}
