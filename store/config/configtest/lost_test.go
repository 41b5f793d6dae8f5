package configtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
)

// testLostAnswers: the answer to a write of the head is lost, or is a refusal because a
// proxy has repeated the request, and somebody else changes the head before it can be
// read back. What was to be done is done, once, and an active snapshot has its content.
func testLostAnswers(t *testing.T, h engine) {
	for name, op := range lostOperations {
		for _, fault := range []castest.Fault{castest.AppliedThenFail, castest.LostBefore} {
			for others := 1; others <= 3; others++ {
				t.Run(fmt.Sprintf("%s, fault %d, then %d", name, fault, others), func(t *testing.T) {
					records := h.records(t)
					other := over(records())
					save(t, other, "v0", "v1")
					activate(t, other, "v0")
					mine := config.New(crowded(records(), fault, func() {
						for i := range others {
							activateNewest(t, other, i)
						}
					}), config.Options{})
					check(t, name, op.run(t, mine))
					op.check(t, other)
					snapshot, err := other.GetActiveSnapshot(t.Context(), fleet)
					check(t, "GetActiveSnapshot", err)
					wantContent(t, snapshot)
				})
			}
		}
	}
}

// activateNewest changes the head in another way each time: the snapshot that was saved
// last becomes the active one, if it is there.
func activateNewest(t *testing.T, s config.Storage, i int) {
	t.Helper()
	list, err := s.ListSnapshots(t.Context(), fleet)
	check(t, "ListSnapshots", err)
	if i%2 == 1 {
		activate(t, s, "v0")
	} else {
		activate(t, s, list[len(list)-1].Version)
	}
}

var lostOperations = map[string]struct {
	run   func(t *testing.T, s config.Storage) error
	check func(t *testing.T, s config.Storage)
}{
	"SaveSnapshot": {
		func(t *testing.T, s config.Storage) error {
			return s.SaveSnapshot(t.Context(), fleet, "v2", contentOf("v2"))
		},
		func(t *testing.T, s config.Storage) {
			snapshot, err := s.GetSnapshot(t.Context(), fleet, "v2")
			check(t, "GetSnapshot", err)
			wantContent(t, snapshot)
			activate(t, s, "v2")
		},
	},
	"DeleteOldSnapshots": {
		func(t *testing.T, s config.Storage) error {
			_, err := s.DeleteOldSnapshots(t.Context(), soon())
			return err
		},
		func(t *testing.T, s config.Storage) {
			wantDeleted(t, s, soon(), 0)
			if n := leftover(t, s); n != 0 {
				t.Errorf("%d snapshots are left", n)
			}
		},
	},
	"FailSnapshot": {
		func(t *testing.T, s config.Storage) error {
			err := s.FailSnapshot(t.Context(), fleet, "v1")
			return errors.Join(err, s.ActivateSnapshot(t.Context(), fleet, "v0"))
		},
		func(*testing.T, config.Storage) {},
	},
}

// crowded is a store whose first write of a head has a fault, and where others is
// called before its outcome can be read back.
func crowded(s cas.Store, fault castest.Fault, others func()) cas.Store {
	return castest.Crowded(s, config.HeadsPrefix, 1, fault, others)
}

// testNotDurable: a change of the head that may not survive a crash is not called done.
func testNotDurable(t *testing.T, h engine) {
	records := h.records(t)
	save(t, over(records()), "v1")
	s := config.New(crowded(records(), castest.NotDurable, nil), config.Options{})
	wantIs(t, "ActivateSnapshot", s.ActivateSnapshot(t.Context(), fleet, "v1"), cas.ErrIndeterminate)
}

// testDamaged: a record that was cut short or changed is an error that says so, and not
// another content, status or version.
func testDamaged(t *testing.T, h engine) {
	for _, prefix := range []string{"config/heads/", "config/contents/", "config/applied/", "config/deleted/"} {
		store := h.records(t)()
		s := over(store)
		save(t, s, "v1", "v2")
		activate(t, s, "v1")
		wantDeleted(t, s, soon(), 1)
		logApply(t, s, "i1", "v1", config.Applied)
		for what, damage := range map[string]func(value []byte) []byte{
			"cut short": func(value []byte) []byte { return value[:len(value)-1] },
			"changed":   func(value []byte) []byte { value[len(value)-3] ^= 1; return value },
			"empty":     func([]byte) []byte { return nil },
		} {
			restore := spoil(t, store, prefix, damage)
			s := over(store)
			_, err := s.GetActiveSnapshot(t.Context(), fleet)
			switch prefix {
			case "config/applied/":
				_, err = s.CountApplied(t.Context(), fleet, "v1")
			case "config/deleted/":
				err = s.SaveSnapshot(t.Context(), fleet, "v2", contentOf("v2"))
			}
			wantIs(t, "with a record in "+prefix+" that is "+what, err, config.ErrCorrupt)
			restore()
		}
	}
}

// spoil damages all records below a prefix, and returns what undoes that.
func spoil(t *testing.T, s cas.Store, prefix string, damage func([]byte) []byte) (restore func()) {
	t.Helper()
	whole := map[string][]byte{}
	for e, err := range s.List(t.Context(), prefix, "") {
		check(t, "List", err)
		r, err := s.Read(t.Context(), e.Key, "")
		check(t, "Read", err)
		whole[e.Key] = append([]byte{}, r.Value...)
		_, err = s.Write(t.Context(), e.Key, damage(r.Value), r.Token)
		check(t, "Write", err)
	}
	return func() {
		for key, value := range whole {
			r, err := s.Read(t.Context(), key, "")
			check(t, "Read", err)
			_, err = s.Write(context.Background(), key, value, r.Token)
			check(t, "Write", err)
		}
	}
}
