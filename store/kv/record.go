package kv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/replctl/replicate/store/internal/record"
)

// recordFormat is the form of a record in the store. Its body is a header and then
// the value.
var recordFormat = record.Format{Name: "kv/1", Corrupt: ErrCorrupt}

// floorFormat is that of the floor: see package floor.
var floorFormat = record.Format{Name: "kv-floor/1", Corrupt: ErrCorrupt}

// header is the first line of a record's body. What follows is the value.
type header struct {
	Version Version `json:"version"`
	Lease   LeaseId `json:"lease,omitempty"`

	// Deleted: there is nothing but the version, which the next record goes on from.
	Deleted bool `json:"deleted,omitempty"`
}

// placeholder is what a new record replaces where tombstones are removed.
var placeholder = header{Deleted: true}

// maxHeader is the most bytes that a header and the seal before it have.
const maxHeader = record.MaxSeal + 128

// entry is a record as stored. The zero entry is that of a key that never had one.
type entry struct {
	header
	value  Value
	stored record.Stored
}

func (h header) next() header { return header{Version: h.Version + 1, Lease: h.Lease} }

// encode returns the body of a record.
func (h header) encode(value Value) ([]byte, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), value...), nil
}

func decode(r record.Stored) (entry, error) {
	e := entry{stored: r}
	if !r.Exists() {
		return e, nil
	}
	line, value, ok := bytes.Cut(r.Body, []byte("\n"))
	if !ok {
		return e, fmt.Errorf("%w: no header", ErrCorrupt)
	}
	if err := json.Unmarshal(line, &e.header); err != nil {
		return e, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	switch {
	case e.Version < 1 && e.header != placeholder || e.Version == math.MaxInt64:
		return e, fmt.Errorf("%w: version %d", ErrCorrupt, e.Version)
	case e.Lease < 0:
		return e, fmt.Errorf("%w: lease %d", ErrCorrupt, e.Lease)
	case e.Deleted && (len(value) > 0 || e.Lease != NoLeaseId):
		return e, fmt.Errorf("%w: deleted, and yet there", ErrCorrupt)
	}
	e.value = value
	return e, nil
}

func (e entry) record(key Key) Record {
	return Record{Key: key, Value: e.value, Version: e.Version, Lease: e.Lease}
}
