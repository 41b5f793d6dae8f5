package configtest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
)

// testSession: the number of a lock's lease grows with each holder, and an error says
// who that is.
func testSession(t *testing.T, h engine) {
	records := h.records(t)
	for want := int64(1); want <= 3; want++ {
		s, err := over(records()).AcquireSession(t.Context(), 7)
		check(t, "AcquireSession", err)
		if got := s.Lease().Generation; got != want || s.Err() != nil || s.Context().Err() != nil {
			t.Errorf("the session has number %d, want %d, and ended with %v", got, want, s.Err())
		}
		_, err = over(records()).AcquireLock(t.Context(), 7)
		var held *replicate.LeaseExistsError
		if !errors.As(err, &held) || held.Owner == "" {
			t.Errorf("AcquireLock of what is held: %v: want to know who holds it", err)
		}
		check(t, "Release", s.Release(t.Context()))
	}
}

// testFaultyLeaders: with requests and answers lost, what is reported is true, and
// readers see one active snapshot throughout.
func testFaultyLeaders(t *testing.T, h engine) {
	records := h.records(t)
	open := func() config.Storage { return over(records()) }
	save(t, open(), "v")
	activate(t, open(), "v")
	var done atomic.Int32
	watched(t, open, func() {
		castest.Race(4, func(i int) {
			s := config.New(castest.NewFaulty(records(), uint64(i)), config.Options{})
			for round := range h.rounds(20) {
				err := saveActivateOrDelete(t.Context(), s, i, round)
				switch {
				case err == nil:
					done.Add(1)
				case !errors.Is(err, castest.ErrInjected) && !errors.Is(err, cas.ErrIndeterminate):
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	})
	if done.Load() == 0 {
		t.Error("nothing got through")
	}
	wantRepaired(t, open())
}

// wantRepaired checks that deletions which were broken off are finished by the next.
func wantRepaired(t *testing.T, s config.Storage) {
	t.Helper()
	wantDeleted(t, s, soon(), leftover(t, s))
	list, err := s.ListSnapshots(t.Context(), fleet)
	check(t, "ListSnapshots", err)
	if len(list) != 1 || list[0].Status != config.StatusActive {
		t.Errorf("left are %v, want the active one", list)
	}
}

// testFaultyInstances: a status that is reported as logged is there.
func testFaultyInstances(t *testing.T, h engine) {
	open := h.records(t)
	leader := over(open())
	save(t, leader, "v1")
	const instances = 8
	last := make([]map[string]bool, instances) // what an instance's status may be
	castest.Race(instances, func(i int) {
		s := config.New(castest.NewFaulty(open(), uint64(i)), config.Options{})
		last[i] = map[string]bool{"": true}
		for n := range h.rounds(25) {
			status := fmt.Sprint("status ", n)
			switch err := s.LogApply(t.Context(), fmt.Sprint("i", i), fleet, "v1", status); {
			case err == nil:
				last[i] = map[string]bool{status: true}
			case errors.Is(err, cas.ErrIndeterminate):
				last[i][status] = true
			case !errors.Is(err, castest.ErrInjected):
				t.Errorf("LogApply: %v", err)
			}
		}
	})
	for i := range last {
		found := ""
		for n := range h.rounds(25) {
			status := fmt.Sprint("status ", n)
			ids, err := leader.AppliedInstances(t.Context(), fleet, "v1", status)
			check(t, "AppliedInstances", err)
			for _, id := range ids {
				if id == fmt.Sprint("i", i) {
					found = status
				}
			}
		}
		if !last[i][found] {
			t.Errorf("instance %d has %q, want one of %v", i, found, last[i])
		}
	}
}
