package raftbackend

import (
	"errors"
	"time"

	"github.com/replctl/replicate/store/resource"
)

// maxMessage bounds a log message and a call, in bytes: a resource of
// resource.MaxResourceSize, or a part of a restoration.
const maxMessage = 2 << 20

func typeFields(t *resource.Type, c *coder) {
	c.text(1, &t.Group)
	c.text(2, &t.GroupVersion)
	c.text(3, &t.Kind)
}

func tenancyFields(t *resource.Tenancy, c *coder) {
	c.text(1, &t.Partition)
	c.text(2, &t.Namespace)
	c.text(3, &t.PeerName)
}

func idFields(id *resource.ID, c *coder) {
	c.text(1, &id.UID)
	c.text(2, &id.Name)
	c.part(3, func(c *coder) { typeFields(&id.Type, c) })
	c.part(4, func(c *coder) { tenancyFields(&id.Tenancy, c) })
}

func referenceFields(r *resource.Reference, c *coder) {
	c.part(1, func(c *coder) { typeFields(&r.Type, c) })
	c.part(2, func(c *coder) { tenancyFields(&r.Tenancy, c) })
	c.text(3, &r.Name)
	c.text(4, &r.Section)
}

func conditionFields(cond *resource.Condition, c *coder) {
	state := uint64(cond.State)
	c.text(1, &cond.Type)
	c.uint(2, &state)
	c.text(3, &cond.Reason)
	c.text(4, &cond.Message)
	optional(c, 5, &cond.Resource, referenceFields)
	if c.reading {
		cond.State = resource.ConditionState(min(state, uint64(resource.StateFalse)+1)) // which is none
	}
}

func statusFields(s *resource.Status, c *coder) {
	c.text(1, &s.ObservedGeneration)
	repeated(c, 2, &s.Conditions, conditionFields)
	var at *timestamp
	if !c.reading && !s.UpdatedAt.IsZero() {
		at = &timestamp{uint64(s.UpdatedAt.Unix()), uint64(s.UpdatedAt.Nanosecond())}
	}
	optional(c, 3, &at, timestampFields)
	if c.reading && at != nil {
		s.UpdatedAt = time.Unix(int64(at.seconds), int64(min(at.nanos, 1e9))).UTC()
	}
}

type timestamp struct{ seconds, nanos uint64 }

func timestampFields(t *timestamp, c *coder) {
	c.uint(1, &t.seconds)
	c.uint(2, &t.nanos)
}

func resourceFields(r *resource.Resource, c *coder) {
	c.part(1, func(c *coder) { idFields(&r.ID, c) })
	optional(c, 2, &r.Owner, idFields)
	c.text(3, &r.Version)
	c.text(4, &r.Generation)
	entries(c, 5, &r.Metadata, func(v *string, c *coder) { c.text(2, v) })
	entries(c, 6, &r.Status, func(s *resource.Status, c *coder) {
		c.part(2, func(c *coder) { statusFields(s, c) })
	})
	c.part(7, func(c *coder) { c.data(2, &r.Data) })
}

func encodeResource(r *resource.Resource) []byte {
	return encode(func(c *coder) { resourceFields(r, c) })
}

func decodeResource(b []byte) (*resource.Resource, error) {
	r := new(resource.Resource)
	if err := decode(b, func(c *coder) { resourceFields(r, c) }); err != nil {
		return nil, err
	}
	return r, nil
}

// message is what the log has: one of its fields.
type message struct {
	write   *resource.Resource
	remove  *removal
	part    *part
	replace *replacement
}

type removal struct {
	id      resource.ID
	version string
}

type part struct {
	restoration string
	number      uint64
	resources   []resource.Resource
}

type replacement struct {
	restoration string
	parts       uint64
	above       uint64
}

func (m *message) fields(c *coder) {
	optional(c, 1, &m.write, resourceFields)
	optional(c, 2, &m.remove, func(r *removal, c *coder) {
		c.part(1, func(c *coder) { idFields(&r.id, c) })
		c.text(2, &r.version)
	})
	optional(c, 3, &m.part, func(p *part, c *coder) {
		c.text(1, &p.restoration)
		c.uint(2, &p.number)
		repeated(c, 3, &p.resources, resourceFields)
	})
	optional(c, 4, &m.replace, func(r *replacement, c *coder) {
		c.text(1, &r.restoration)
		c.uint(2, &r.parts)
		c.uint(3, &r.above)
	})
}

func (m *message) encode() []byte { return encode(m.fields) }

// maxAbove is the highest version that others can be above.
const maxAbove = 1 << 61

var errOperations = errors.New("want one operation that this program knows")

// decodeMessage returns a message with one operation, whose resources are not checked.
func decodeMessage(b []byte) (*message, error) {
	m := new(message)
	if err := decode(b, m.fields); err != nil {
		return nil, err
	}
	n := 0
	for _, is := range []bool{m.write != nil, m.remove != nil, m.part != nil, m.replace != nil} {
		if is {
			n++
		}
	}
	if n != 1 {
		return nil, corrupt(errOperations)
	}
	return m, nil
}

// check checks what may go into the log. Messages of the log are not checked so again: another
// version of this program might judge a size otherwise.
func (m *message) check() error {
	switch {
	case m.write != nil:
		return resource.CheckResource(m.write)
	case m.remove != nil:
		return resource.CheckID(m.remove.id)
	case m.part != nil:
		for i := range m.part.resources {
			if err := resource.CheckResource(&m.part.resources[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// mismatchFields describes the detail of a status.
func mismatchFields(e *resource.GroupVersionMismatchError) func(*coder) {
	return func(c *coder) {
		c.part(1, func(c *coder) { typeFields(&e.RequestedType, c) })
		optional(c, 2, &e.Stored, resourceFields)
	}
}
