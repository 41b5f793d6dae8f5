package config

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// head is all there is to a collection but the contents and the statuses: one
// record, so that each change of it is one compare-and-swap.
type head struct {
	// Active is the ID of the active snapshot. No other place says so.
	Active string `json:"active,omitempty"`

	Snapshots []entry `json:"snapshots"` // in the order in which they were saved

	// Garbage are the IDs of deleted snapshots whose content may still be there.
	Garbage []string `json:"garbage,omitempty"`

	// Fences are the locks under which the collection was changed, the last one first.
	Fences []fence `json:"fences,omitempty"`
}

// fence is the highest fencing number of a lock under which a collection was changed.
type fence struct {
	Lock   int64 `json:"lock"`
	Number int64 `json:"number"`
}

// maxFences bounds the locks that a head remembers. Few collections see a second one.
const maxFences = 16

// entry is a snapshot in its collection's head.
type entry struct {
	// ID is where the content is. It is made for this entry and used for no other,
	// so that what is left of a deleted version, and a late write to it, have
	// nothing to do with a later one of the same name.
	ID        string    `json:"id"`
	Version   string    `json:"version"`
	Status    Status    `json:"status"` // while it is not active
	CreatedAt time.Time `json:"created_at"`
	Sum       []byte    `json:"sha256"` // of the content

	// Round is part of where the statuses are, and grows when the log is reset.
	Round int `json:"round,omitempty"`
}

func newID() string { return strings.ToLower(rand.Text()) }

// idLen and idCharacters are those of newID. An ID becomes part of keys.
const (
	idLen        = 26
	idCharacters = "abcdefghijklmnopqrstuvwxyz234567"
)

func checkID(id string) error {
	if len(id) != idLen || strings.Trim(id, idCharacters) != "" {
		return fmt.Errorf("%.40q is no id", id)
	}
	return nil
}

func sum(content []byte) []byte {
	s := sha256.Sum256(content)
	return s[:]
}

// encode returns the body of the head's record. It fits into a record, as add sees to.
func (h *head) encode() ([]byte, error) { return json.Marshal(h) }

func decodeHead(value []byte) (*head, error) {
	h := new(head)
	err := json.Unmarshal(value, h)
	if err == nil {
		err = h.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return h, nil
}

func (h *head) check() error {
	ids, versions := map[string]bool{"": true}, map[string]bool{}
	for _, e := range h.Snapshots {
		if err := e.check(); err != nil {
			return fmt.Errorf("version %.200q: %w", e.Version, err)
		}
		if ids[e.ID] || versions[e.Version] {
			return fmt.Errorf("version %q is there twice", e.Version)
		}
		ids[e.ID], versions[e.Version] = true, true
	}
	if !ids[h.Active] {
		return fmt.Errorf("the active snapshot %.40q is not there", h.Active)
	}
	for _, id := range h.Garbage {
		if err := checkID(id); err != nil {
			return err
		}
		if ids[id] {
			return fmt.Errorf("the deleted snapshot %q is there", id)
		}
	}
	return h.checkFences()
}

func (h *head) checkFences() error {
	locks := map[int64]bool{}
	for _, f := range h.Fences {
		if locks[f.Lock] || f.Number < 1 {
			return fmt.Errorf("number %d of lock %d", f.Number, f.Lock)
		}
		locks[f.Lock] = true
	}
	return nil
}

func (e *entry) check() error {
	if err := errors.Join(checkID(e.ID), checkName("version", e.Version)); err != nil {
		return err
	}
	if e.Status != StatusPending && e.Status != StatusInactive && e.Status != StatusFailed || e.Round < 0 {
		return fmt.Errorf("status %.20q, round %d", e.Status, e.Round)
	}
	return nil
}

// version returns a version's entry, to be read or changed; nil if there is none.
func (h *head) version(version string) *entry {
	return h.find(func(e entry) bool { return e.Version == version })
}

// withID returns the entry with an ID, or nil.
func (h *head) withID(id string) *entry {
	return h.find(func(e entry) bool { return e.ID == id })
}

// active returns the active entry, or nil.
func (h *head) active() *entry { return h.withID(h.Active) }

func (h *head) find(is func(entry) bool) *entry {
	if i := slices.IndexFunc(h.Snapshots, is); i >= 0 {
		return &h.Snapshots[i]
	}
	return nil
}

// snapshot is an entry as callers know it, without its content.
func (h *head) snapshot(collection string, e *entry) Snapshot {
	s := Snapshot{Collection: collection, Version: e.Version, Status: e.Status, CreatedAt: e.CreatedAt}
	if e.ID == h.Active {
		s.Status = StatusActive
	}
	return s
}

// admit refuses a change under a lock that a later holder has changed the collection
// under. It notes the numbers of the locks, and reports whether any of them is new.
func (h *head) admit(held []fence) (noted bool, err error) {
	for _, f := range held {
		i := slices.IndexFunc(h.Fences, func(g fence) bool { return g.Lock == f.Lock })
		if i >= 0 {
			if n := h.Fences[i].Number; n > f.Number {
				return false, fmt.Errorf("%w: it was holder %d of lock %d, and holder %d has changed the collection",
					ErrLockLost, f.Number, f.Lock, n)
			} else if n == f.Number {
				continue
			}
			h.Fences = slices.Delete(h.Fences, i, i+1)
		}
		h.Fences, noted = slices.Insert(h.Fences, 0, f), true
	}
	h.Fences = h.Fences[:min(len(h.Fences), maxFences)]
	return noted, nil
}

// The changes. Each reports whether there was anything to change.

// add adds an entry. The head keeps room for what other changes may add to it: IDs of
// deleted entries in place of them, longer statuses and rounds, and fences.
func (h *head) add(e entry) error {
	h.Snapshots = append(h.Snapshots, e)
	body, err := h.encode()
	if err != nil {
		return err
	}
	const maxBody, fixed, perEntry = cas.MaxValueSize - record.MaxSeal, 2 << 10, 32
	if room := maxBody - fixed - perEntry*len(h.Snapshots); len(body) > room {
		return fmt.Errorf("%w: the names of %d fill the head; delete old ones", ErrTooManySnapshots, len(h.Snapshots)-1)
	}
	return nil
}

// has reports whether a version is there already, with the same content. An entry with
// the same ID is the one that is being saved: nobody else has it.
func (h *head) has(e entry) (bool, error) {
	old := h.version(e.Version)
	switch {
	case old == nil && len(h.Snapshots) >= MaxSnapshots:
		return false, fmt.Errorf("%w: the collection has %d; delete old ones", ErrTooManySnapshots, len(h.Snapshots))
	case old != nil && !bytes.Equal(old.Sum, e.Sum):
		return false, ErrSnapshotExists
	}
	return old != nil, nil
}

func (h *head) activate(version string) (bool, error) {
	e := h.version(version)
	if e == nil {
		return false, ErrSnapshotNotFound
	}
	if h.Active == e.ID {
		return false, nil
	}
	h.Active = e.ID
	e.Status = StatusInactive // when it is active no more
	return true, nil
}

func (h *head) fail(version string) (bool, error) {
	e := h.version(version)
	if e == nil {
		return false, ErrSnapshotNotFound
	}
	if e.Status == StatusFailed && h.Active != e.ID {
		return false, nil
	}
	e.Status = StatusFailed
	if h.Active == e.ID {
		h.Active = ""
	}
	return true, nil
}

func (h *head) reset(version string) (bool, error) {
	e := h.version(version)
	if e == nil {
		return false, nil
	}
	e.Round++
	return true, nil
}

// drop deletes the entries that were created before, except the active one, and returns
// them. While there is much garbage, it deletes nothing.
func (h *head) drop(before time.Time) (dropped []entry) {
	if len(h.Garbage) > MaxSnapshots {
		return nil
	}
	h.Snapshots = slices.DeleteFunc(h.Snapshots, func(e entry) bool {
		old := e.ID != h.Active && e.CreatedAt.Before(before)
		if old {
			h.Garbage, dropped = append(h.Garbage, e.ID), append(dropped, e)
		}
		return old
	})
	return dropped
}

// buried forgets garbage.
func (h *head) buried(ids []string) (bool, error) {
	n := len(h.Garbage)
	h.Garbage = slices.DeleteFunc(h.Garbage, func(id string) bool { return slices.Contains(ids, id) })
	return len(h.Garbage) < n, nil
}
