package v3compat

import (
	"encoding/binary"
	"fmt"

	"github.com/replctl/replicate/internal/walpages"
)

// applier writes the content of a plan's objects to a database, in their order.
type applier struct {
	plan   *Plan
	db     Database
	stopAt Pos // apply nothing from here on; zero: all of it
	states states

	head  [dbHeaderSize]byte // of the database, as it is committed
	begun int                // the last segment that began, from 1
	size  int64              // of the snapshot, in bytes
	pages *walpages.Pages    // nil until the page size is known
	log   walLogState

	result RestoreResult
}

// unfinishedError says that the last transaction has no end, and that a part of
// it was written before this could be known.
type unfinishedError struct{ stopAt Pos }

func (e *unfinishedError) Error() string {
	return fmt.Sprintf("the transaction from %v on has no end", e.stopAt)
}

// damaged says what is wrong with an object's content.
func damaged(key, format string, args ...any) error {
	return &ObjectError{key, contentErrorf(format, args...)}
}

func (a *applier) snapshotKey() string {
	return SnapshotKey(a.plan.Generation, a.plan.Snapshot.Index)
}

// write takes in the next bytes of an object: the snapshot, number 0, or a WAL
// segment.
func (a *applier) write(object int, data []byte) error {
	if object == 0 {
		return a.writeSnapshot(data)
	}
	if a.begun < object {
		if err := a.beginSegment(object - 1); err != nil {
			return err
		}
		a.begun = object
	}
	return a.writeLog(data)
}

func (a *applier) writeSnapshot(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if a.size < dbHeaderSize {
		copy(a.head[a.size:], data)
	}
	_, err := a.db.WriteAt(data, a.size)
	a.size += int64(len(data))
	return err
}

// endObject is called when an object has been whole.
func (a *applier) endObject(object int) error {
	if object > 0 {
		return a.endSegment(object - 1)
	}
	pageSize, err := dbPageSize(a.head[:], a.size)
	if err != nil {
		return &ObjectError{a.snapshotKey(), err}
	}
	a.result = RestoreResult{Pos: a.plan.Snapshot.Pos(), Time: a.plan.Time}
	if pageSize == 0 {
		return nil // the first log will say
	}
	a.begin(pageSize)
	a.result.Pages = uint32(a.size / pageSize)
	return nil
}

func (a *applier) begin(pageSize int64) {
	a.pages = walpages.New(a.db, pageSize, a.size, a.states.report != nil)
	a.result.PageSize = int(pageSize)
}

// finish writes what is left and gives the database its size.
func (a *applier) finish() error {
	if err := a.endLog(true); err != nil {
		return err
	}
	if a.pages == nil {
		return a.lastState()
	}
	if err := a.pages.Flush(); err != nil {
		return err
	}
	if err := a.pages.Resize(int64(a.result.Pages) * a.pages.PageSize); err != nil {
		return err
	}
	if err := a.checkHead(); err != nil {
		return err
	}
	return a.lastState()
}

// checkHead refuses a database that SQLite calls malformed at first sight: one
// that is shorter than its header says. The number in the header counts when the
// header's two counters of changes agree.
func (a *applier) checkHead() error {
	count := binary.BigEndian.Uint32(a.head[28:])
	if [4]byte(a.head[24:]) != [4]byte(a.head[92:]) || count <= a.result.Pages {
		return nil
	}
	key := a.snapshotKey()
	if n := len(a.plan.Segments); n > 0 {
		key = a.plan.Segments[n-1].key()
	}
	return damaged(key, "the database has %d pages after it and its header says %d", a.result.Pages, count)
}
