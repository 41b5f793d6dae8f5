package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

// WriteCAS implements [Backend].
func (s *Store) WriteCAS(ctx context.Context, res *Resource) (_ *Resource, err error) {
	if err := checkResource(res); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	defer errs.Wrap(&err, "write %v", res.ID)
	res = res.clone()
	size, err := encodedSize(res)
	if err != nil {
		return nil, err
	}
	written, err := s.propose(ctx, size, func(d *draft) (*change, error) {
		if err := checkWrite(d.get(res.ID.key()), res); err != nil {
			return nil, err
		}
		if err := checkRoom(d.size, res); err != nil {
			return nil, err
		}
		next := *res
		next.Version = d.next()
		return &change{Put: &next}, nil
	})
	if err != nil {
		return nil, err
	}
	return written.clone(), nil
}

// encodedSize returns the size of a resource without its version, and refuses one that
// is too large.
func encodedSize(res *Resource) (int, error) {
	unversioned := *res
	unversioned.Version = ""
	encoded, err := json.Marshal(unversioned)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(encoded) > MaxResourceSize {
		return 0, fmt.Errorf("%w: %d bytes when encoded, at most %d allowed", cas.ErrTooLarge, len(encoded), MaxResourceSize)
	}
	return len(encoded), nil
}

// DeleteCAS implements [Backend].
func (s *Store) DeleteCAS(ctx context.Context, id ID, version string) (err error) {
	if err := checkID(id); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	defer errs.Wrap(&err, "delete %v", id)
	encoded, err := json.Marshal(id)
	if err != nil || len(encoded) > MaxResourceSize {
		return err // nil: so large a name was never stored
	}
	_, err = s.propose(ctx, len(encoded), func(d *draft) (*change, error) {
		if is, err := checkDelete(d.get(id.key()), id, version); !is {
			return nil, err
		}
		return &change{Delete: &id}, nil
	})
	return err
}

// draft is the state that the changes of a new record lead to.
type draft struct {
	machine *Machine
	changed map[key]*Resource // nil: deleted
	record  logRecord
	size    int64
}

func (d *draft) get(k key) *Resource {
	if r, ok := d.changed[k]; ok {
		return r
	}
	return d.machine.get(k)
}

// next is the version of the next change.
func (d *draft) next() string {
	return strconv.FormatUint(d.machine.Version()+uint64(len(d.record.Changes))+1, 10)
}

func (d *draft) add(c *change) {
	if c.Put != nil {
		d.changed[c.Put.ID.key()] = c.Put
		d.size += sizeOf(c.Put) // what it replaces is counted until the next record
	} else {
		d.changed[c.Delete.key()] = nil
	}
	d.record.Changes = append(d.record.Changes, *c)
}

func (s *Store) draft(batch []*proposal) *draft {
	m := s.view.machine
	d := &draft{machine: m, changed: make(map[key]*Resource), size: m.size()}
	for _, p := range batch {
		c, err := p.decide(d)
		p.written, p.err = nil, err
		if err == nil && c != nil {
			d.add(c)
			p.written = c.Put
		}
	}
	return d
}
