package configtest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/store/config"
)

// soon is after everything that a test does.
func soon() time.Time { return time.Now().Add(24 * time.Hour) }

func testNothing(t *testing.T, h Harness) {
	s := h.New(t)()
	ctx := t.Context()
	wantSnapshots(t, s)
	_, err := s.GetSnapshot(ctx, fleet, "v1")
	for what, err := range map[string]error{
		"GetSnapshot":      err,
		"ActivateSnapshot": s.ActivateSnapshot(ctx, fleet, "v1"),
		"FailSnapshot":     s.FailSnapshot(ctx, fleet, "v1"),
		"LogApply":         s.LogApply(ctx, "i", fleet, "v1", config.Applied),
	} {
		wantIs(t, what+" of what does not exist", err, config.ErrSnapshotNotFound)
	}
	wantApplied(t, s, "v1", config.Applied)
	check(t, "ResetApplyLog", s.ResetApplyLog(ctx, fleet, "v1"))
	if n, err := s.DeleteOldSnapshots(ctx, soon()); n != 0 || err != nil {
		t.Errorf("DeleteOldSnapshots of nothing: %d, %v", n, err)
	}
	wantSnapshots(t, s)
}

func testLifecycle(t *testing.T, h Harness) {
	open := h.New(t)
	before := time.Now().Add(-time.Minute)
	save(t, open(), "v1")
	wantSnapshots(t, open(), "v1 pending")
	activate(t, open(), "v1")
	save(t, open(), "v2")
	wantSnapshots(t, open(), "v1 active", "v2 pending")
	activate(t, open(), "v2")
	activate(t, open(), "v2")
	wantSnapshots(t, open(), "v1 inactive", "v2 active")
	activate(t, open(), "v1")
	wantSnapshots(t, open(), "v1 active", "v2 inactive")
	check(t, "SaveSnapshot", open().SaveSnapshot(t.Context(), "another", "v3", nil))
	wantSnapshots(t, open(), "v1 active", "v2 inactive")
	s, err := open().GetSnapshot(t.Context(), "another", "v3")
	check(t, "GetSnapshot", err)
	if s.Collection != "another" || len(s.Content) != 0 || s.CreatedAt.Before(before) || s.CreatedAt.After(soon()) {
		t.Errorf("the snapshot of another collection: %+v", s)
	}
}

// testSaveAgain: what a version is never changes.
func testSaveAgain(t *testing.T, h Harness) {
	open := h.New(t)
	content := contentOf("v1")
	check(t, "SaveSnapshot", open().SaveSnapshot(t.Context(), fleet, "v1", content))
	activate(t, open(), "v1")
	save(t, open(), "v1")
	wantSnapshots(t, open(), "v1 active")
	err := open().SaveSnapshot(t.Context(), fleet, "v1", []byte("other"))
	wantIs(t, "saving other content", err, config.ErrSnapshotExists)
	wantSnapshots(t, open(), "v1 active")
}

func testFail(t *testing.T, h Harness) {
	open := h.New(t)
	fail := func(version string) {
		t.Helper()
		check(t, "FailSnapshot", open().FailSnapshot(t.Context(), fleet, version))
	}
	save(t, open(), "v1", "v2")
	activate(t, open(), "v1")
	fail("v2")
	fail("v2")
	wantSnapshots(t, open(), "v1 active", "v2 failed")
	activate(t, open(), "v2")
	wantSnapshots(t, open(), "v1 inactive", "v2 active")
	fail("v2")
	wantSnapshots(t, open(), "v1 inactive", "v2 failed")
	activate(t, open(), "v1")
	wantSnapshots(t, open(), "v1 active", "v2 failed")
}

// testNames: any characters are a name, and each is another one.
func testNames(t *testing.T, h Harness) {
	open := h.New(t)
	ctx := t.Context()
	names := []string{
		"../up", "2026-11-21T10:00:00Z", "A", "a", "a/b", "\x00", "<&>",
		strings.Repeat("x", config.MaxNameLen), strings.Repeat("ü", config.MaxNameLen/2),
	}
	for _, name := range names {
		check(t, "SaveSnapshot", open().SaveSnapshot(ctx, name, name, []byte(name)))
		check(t, "ActivateSnapshot", open().ActivateSnapshot(ctx, name, name))
		check(t, "LogApply", open().LogApply(ctx, name, name, name, name))
	}
	for _, name := range names {
		s, err := open().GetActiveSnapshot(ctx, name)
		check(t, "GetActiveSnapshot", err)
		if s.Collection != name || s.Version != name || string(s.Content) != name {
			t.Errorf("collection %q: %+v", name, s)
		}
		got, err := open().AppliedInstances(ctx, name, name, name)
		if err != nil || len(got) != 1 || got[0] != name {
			t.Errorf("instances of collection %q: %q, %v", name, got, err)
		}
	}
}

func testInvalidNames(t *testing.T, h Harness) {
	s := h.New(t)()
	ctx := t.Context()
	save(t, s, "v1")
	for _, name := range []string{"", "\xff", strings.Repeat("x", config.MaxNameLen+1)} {
		_, err := s.GetActiveVersion(ctx, name)
		_, appliedErr := s.AppliedInstances(ctx, fleet, "v1", name)
		for what, err := range map[string]error{
			"GetActiveVersion":           err,
			"AppliedInstances":           appliedErr,
			"SaveSnapshot (collection)":  s.SaveSnapshot(ctx, name, "v1", nil),
			"SaveSnapshot (version)":     s.SaveSnapshot(ctx, fleet, name, nil),
			"LogApply (instance)":        s.LogApply(ctx, name, fleet, "v1", config.Applied),
			"LogApply (status)":          s.LogApply(ctx, "i", fleet, "v1", name),
			"ActivateSnapshot (foreign)": s.ActivateSnapshot(ctx, name, "v1"),
		} {
			wantIs(t, what, err, config.ErrInvalidName)
		}
	}
	wantSnapshots(t, s, "v1 pending")
}

func testSizes(t *testing.T, h Harness) {
	open := h.New(t)
	largest := bytes.Repeat([]byte("\n"), config.MaxContentSize)
	name := strings.Repeat("\x01", config.MaxNameLen) // takes most room
	check(t, "SaveSnapshot of the largest", open().SaveSnapshot(t.Context(), name, name, largest))
	s, err := open().GetSnapshot(t.Context(), name, name)
	check(t, "GetSnapshot", err)
	if !bytes.Equal(s.Content, largest) {
		t.Errorf("the largest content comes back with %d bytes, want %d", len(s.Content), len(largest))
	}
	err = open().SaveSnapshot(t.Context(), fleet, "v1", append(largest, 'x'))
	wantIs(t, "SaveSnapshot of more", err, config.ErrTooLarge)
	wantSnapshots(t, open())
}

// testDelete: what is old goes, but for what is active.
func testDelete(t *testing.T, h Harness) {
	open := h.New(t)
	save(t, open(), "v1", "v2", "v3")
	activate(t, open(), "v2")
	check(t, "FailSnapshot", open().FailSnapshot(t.Context(), fleet, "v3"))
	wantDeleted(t, open(), time.Now().Add(-24*time.Hour), 0)
	wantSnapshots(t, open(), "v1 pending", "v2 active", "v3 failed")
	check(t, "SaveSnapshot", open().SaveSnapshot(t.Context(), "another", "v1", nil))
	wantDeleted(t, open(), soon(), 3)
	wantSnapshots(t, open(), "v2 active")
	wantIs(t, "activating what was deleted", open().ActivateSnapshot(t.Context(), fleet, "v1"), config.ErrSnapshotNotFound)
	save(t, open(), "v1")
	wantSnapshots(t, open(), "v2 active", "v1 pending")
	wantDeleted(t, open(), soon(), 1)
	wantDeleted(t, open(), soon(), 0)
}

func wantDeleted(t *testing.T, s config.Storage, olderThan time.Time, want int) {
	t.Helper()
	if n, err := s.DeleteOldSnapshots(t.Context(), olderThan); n != want || err != nil {
		t.Errorf("DeleteOldSnapshots: %d, %v, want %d", n, err, want)
	}
}

// testKeptContent: the name of a version that was deleted keeps its content. An instance
// that has the old one, and sees the version active again, has the right one.
func testKeptContent(t *testing.T, h Harness) {
	open := h.New(t)
	save(t, open(), "v1", "v2")
	activate(t, open(), "v2")
	for range 2 {
		wantDeleted(t, open(), soon(), 1)
		err := open().SaveSnapshot(t.Context(), fleet, "v1", []byte("other content"))
		wantIs(t, "saving a deleted version with other content", err, config.ErrSnapshotExists)
		wantSnapshots(t, open(), "v2 active")
		err = open().SaveSnapshot(t.Context(), "another", "v1", []byte("other content"))
		check(t, "SaveSnapshot in another collection", err)
		save(t, open(), "v1")
		wantSnapshots(t, open(), "v2 active", "v1 pending")
		wantDeleted(t, open(), soon(), 2)
		save(t, open(), "v1")
	}
}
