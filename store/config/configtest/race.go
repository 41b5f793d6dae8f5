package configtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
)

// testSaveRace: of many that save a version, those with the content that got there
// succeed.
func testSaveRace(t *testing.T, h Harness) {
	open := h.New(t)
	for round := range h.rounds(5) {
		version := fmt.Sprint("v", round)
		var mu sync.Mutex
		saved := map[string]int{}
		castest.Race(8, func(i int) {
			content := fmt.Sprint("content of ", i%2)
			err := open().SaveSnapshot(t.Context(), fleet, version, []byte(content))
			if err != nil {
				wantIs(t, "a loser", err, config.ErrSnapshotExists)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			saved[content]++
		})
		s, err := open().GetSnapshot(t.Context(), fleet, version)
		check(t, "GetSnapshot", err)
		if len(saved) != 1 || saved[string(s.Content)] != 4 {
			t.Errorf("saved are %v, and there is %q", saved, s.Content)
		}
	}
}

// watch polls until stop is closed, in each way to look, and checks what must hold at
// every instant: one active snapshot, and its content.
func watch(t *testing.T, s config.Storage, stop <-chan struct{}) {
	for ctx := t.Context(); ; {
		select {
		case <-stop:
			return
		default:
		}
		_, err := s.GetActiveVersion(ctx, fleet)
		active, getErr := s.GetActiveSnapshot(ctx, fleet)
		list, listErr := s.ListSnapshots(ctx, fleet)
		if err := errors.Join(err, getErr, listErr); err != nil {
			t.Errorf("a reader: %v", err)
			return
		}
		wantContent(t, active)
		n := 0
		for _, s := range list {
			if s.Status == config.StatusActive {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d snapshots are active: %v", n, list)
		}
	}
}

// watched runs fn beside readers.
func watched(t *testing.T, open func() config.Storage, fn func()) {
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() { watch(t, open(), stop) })
	}
	fn()
	close(stop)
	readers.Wait()
}

// testActivationRace: never two active snapshots, and never none.
func testActivationRace(t *testing.T, h Harness) {
	open := h.New(t)
	save(t, open(), "v0", "v1", "v2", "v3")
	activate(t, open(), "v0")
	watched(t, open, func() {
		castest.Race(4, func(i int) {
			s := open()
			for round := range h.rounds(25) {
				version := fmt.Sprint("v", (i+round)%4)
				if err := s.ActivateSnapshot(t.Context(), fleet, version); err != nil {
					t.Errorf("ActivateSnapshot: %v", err)
				}
			}
		})
	})
}

// testDeletionRace: snapshots are deleted while they are activated, and what is
// active has its content.
func testDeletionRace(t *testing.T, h Harness) {
	open := h.New(t)
	save(t, open(), "v")
	activate(t, open(), "v")
	watched(t, open, func() {
		castest.Race(4, func(i int) {
			s := open()
			for round := range h.rounds(15) {
				if err := saveActivateOrDelete(t.Context(), s, i, round); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	})
	wantDeleted(t, open(), soon(), leftover(t, open()))
	snapshot, err := open().GetActiveSnapshot(t.Context(), fleet)
	check(t, "GetActiveSnapshot", err)
	wantContent(t, snapshot)
}

// saveActivateOrDelete is one step of a client of testDeletionRace.
func saveActivateOrDelete(ctx context.Context, s config.Storage, i, round int) error {
	if i == 0 {
		_, err := s.DeleteOldSnapshots(ctx, soon())
		return err
	}
	version := fmt.Sprint("v", i, ".", round)
	if err := s.SaveSnapshot(ctx, fleet, version, contentOf(version)); err != nil {
		return err
	}
	if err := s.ActivateSnapshot(ctx, fleet, version); !errors.Is(err, config.ErrSnapshotNotFound) {
		return err
	}
	return nil // it was deleted meanwhile
}

// leftover is how many snapshots are not active.
func leftover(t *testing.T, s config.Storage) int {
	t.Helper()
	list, err := s.ListSnapshots(t.Context(), fleet)
	check(t, "ListSnapshots", err)
	return len(list) - 1
}

// testApplyRace: a whole fleet logs at once, and each is counted.
func testApplyRace(t *testing.T, h Harness) {
	open := h.New(t)
	leader := open()
	save(t, leader, "v1")
	instances := h.rounds(200)
	want := make([]string, instances)
	castest.Race(instances, func(i int) {
		want[i] = fmt.Sprintf("i%04d", i)
		if err := open().LogApply(t.Context(), want[i], fleet, "v1", config.Applied); err != nil {
			t.Errorf("LogApply: %v", err)
		}
	})
	wantApplied(t, leader, "v1", config.Applied, want...)
}
