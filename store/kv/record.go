package kv

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"

	"github.com/replctl/replicate/cas"
)

// header is the first line of a stored record. What follows is the value.
type header struct {
	Version Version `json:"version"`
	Lease   LeaseId `json:"lease,omitempty"`

	// Deleted: there is nothing but the version, which the next record goes on from.
	Deleted bool `json:"deleted,omitempty"`

	// Nonce makes each write unlike any other; see cas.Swap.
	Nonce string `json:"nonce"`
}

// maxHeader is the most bytes that a header has. An honest one has half of that.
const maxHeader = 256

// entry is a record as stored. The zero entry is that of a key that never had one.
type entry struct {
	header
	value []byte
	token cas.Token
}

func (h header) next() header { return header{Version: h.Version + 1, Lease: h.Lease} }

// encode gives the header a nonce and returns the record as stored.
func (h header) encode(value []byte) ([]byte, error) {
	h.Nonce = rand.Text()
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), value...), nil
}

func decode(r cas.Record) (entry, error) {
	e := entry{token: r.Token}
	if !r.Exists() {
		return e, nil
	}
	line, value, ok := bytes.Cut(r.Value, []byte("\n"))
	if !ok || len(line) >= maxHeader {
		return e, fmt.Errorf("%w: no header", ErrCorrupt)
	}
	if err := json.Unmarshal(line, &e.header); err != nil {
		return e, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	switch {
	case e.Version < 1 || e.Version == math.MaxInt64:
		return e, fmt.Errorf("%w: version %d", ErrCorrupt, e.Version)
	case e.Lease < 0:
		return e, fmt.Errorf("%w: lease %d", ErrCorrupt, e.Lease)
	case e.Deleted && (len(value) > 0 || e.Lease != NoLeaseId):
		return e, fmt.Errorf("%w: deleted, and yet there", ErrCorrupt)
	}
	e.value = value
	return e, nil
}

func (e entry) record(key string) Record {
	return Record{Key: key, Value: e.value, Version: e.Version, Lease: e.Lease}
}
