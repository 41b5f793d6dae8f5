package resource

import (
	"fmt"

	"github.com/replctl/replicate/cas"
)

// view is what a handle knows: everything up to a position of the log. It only
// moves forward; what cannot be reached by moving forward is another view, and
// the watches on this one are over.
type view struct {
	logRecords uint64 // of the ring; 0 while the store is empty
	position   uint64
	last       string   // checksum of the log record at position
	manifest   manifest // the last one in the log
	head       head
	machine    *Machine
	slots      []slot // of the ring
}

// head is the record of that name as last seen. It may have moved on.
type head struct {
	token      cas.Token
	generation uint64
	position   uint64
}

// slot is what a key of the log has, if known. Until the log comes round to it
// again, that stays as it is.
type slot struct {
	token cas.Token
	known bool
}

func newView(buffer int) *view { return &view{machine: NewMachine(buffer)} }

func (v *view) exists() bool { return v.logRecords != 0 }

// adopt sets the view to a head's checkpoint. It keeps the resources in v.
func (v *view) adopt(h *headRecord, token cas.Token) {
	v.logRecords, v.position = h.LogRecords, h.Manifest.Position
	v.machine.Advance(h.Manifest.Revision)
	v.manifest, v.last = h.Manifest, h.Manifest.Last
	v.head = head{token, h.Manifest.Generation, h.Manifest.Position}
	v.slots = make([]slot, h.LogRecords)
}

func (v *view) slot(position uint64) *slot { return &v.slots[position%v.logRecords] }

// full reports whether the next position is more than n behind the head's checkpoint,
// as far as that is known.
func (v *view) full(n uint64) bool { return v.position+1 > v.head.position+n }

// follows is ErrCorrupt if a record does not continue what the view has seen: then
// there are two histories, as there are when a store is replaced by an older copy of
// itself under running handles.
func (v *view) follows(r *logRecord) error {
	if r.Position == v.position+1 && r.Prev == v.last {
		return nil
	}
	return fmt.Errorf("%w: log record %d does not follow record %d as this handle has seen it: "+
		"the store was perhaps replaced by an older copy while handles were open", ErrCorrupt, r.Position, v.position)
}

// follows is a variable for tests of what happens without it.
var follows = (*view).follows

// apply moves the view over the next record of the log, which is no restore.
func (v *view) apply(f found) {
	r := f.record
	for _, c := range r.Changes {
		v.machine.apply(c)
	}
	if r.Manifest != nil {
		v.manifest = *r.Manifest
	}
	v.position, v.last = r.Position, f.sum
	*v.slot(r.Position) = slot{f.token, true}
}

// restored is the view behind a record that restores what the machine has.
func (v *view) restored(f found, m *Machine) *view {
	next, r := *v, f.record
	next.machine, next.manifest, next.position = m, *r.Manifest, r.Position
	m.Advance(r.Manifest.Revision)
	next.last, next.manifest.Last = f.sum, f.sum
	*next.slot(r.Position) = slot{f.token, true} // v is not used any more
	return &next
}

// found is what is at a position of the log.
type found struct {
	token  cas.Token
	record *logRecord // nil if the position is free
	sum    string     // of the record as stored
	lapped bool       // it was overwritten by a later one
}

// judge tells what a record, at the key of a position, says about the position.
func (v *view) judge(position uint64, rec cas.Record) (found, error) {
	if !rec.Exists() {
		if position > v.logRecords {
			return found{}, fmt.Errorf("%w: log record %d is missing", ErrCorrupt, position-v.logRecords)
		}
		return found{}, nil
	}
	r, err := decodeLog(rec.Value)
	switch {
	case err != nil:
		return found{}, fmt.Errorf("%s: %w", logKey(position%v.logRecords), err)
	case r.Position == position:
		return found{token: rec.Token, record: r, sum: checksum(rec.Value)}, nil
	case r.Position+v.logRecords == position:
		return found{token: rec.Token}, nil
	case r.Position > position && (r.Position-position)%v.logRecords == 0:
		return found{lapped: true}, nil
	}
	return found{}, fmt.Errorf("%w: log record %d is where %d should be", ErrCorrupt, r.Position, position)
}
