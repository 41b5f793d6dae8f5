package logstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// log is one log's record, with the context of its requests.
type log struct {
	ctx   context.Context
	store cas.Store
	id    string
	key   string
}

func (s *Store) log(id string) (log, error) {
	store, ctx := s.open()
	part, err := names.Encode(id)
	if err == nil && len(id) > MaxIDLen {
		err = fmt.Errorf("%w: %d bytes long, at most %d allowed", cas.ErrInvalidKey, len(id), MaxIDLen)
	}
	if err != nil {
		return log{}, coded(ctx, fmt.Errorf("%w: log id: %w", errInvalid, err))
	}
	return log{ctx, store, id, prefix + part}, nil
}

// found is a version of a log's record. Its body is the checkpoint, as it is, so that a
// person with nothing but a copy of the store can read it. A checkpoint that is set
// again is another version.
type found struct{ record.Stored }

var recordFormat = record.Format{Name: "logstate/1", Corrupt: errCorrupt}

// clone returns the checkpoint, for a caller to keep; nil if there is none.
func (f found) clone() []byte { return bytes.Clone(f.Body) }

// read returns the version that is there; the zero one if there is none.
func (l log) read() (found, error) {
	if l.ctx.Err() != nil {
		return found{}, coded(l.ctx, context.Cause(l.ctx))
	}
	r, err := recordFormat.Read(l.ctx, l.store, l.key, record.Stored{})
	if err == nil && r.Exists() && len(r.Body) == 0 {
		err = fmt.Errorf("%s: %w: the checkpoint is empty", l.key, errCorrupt)
	}
	return found{r}, coded(l.ctx, err)
}

// replace replaces a version by one with another checkpoint.
func (l log) replace(old found, checkpoint []byte) error {
	_, err := recordFormat.Swap(l.ctx, l.store, l.key, checkpoint, old.Stored)
	if record.Lost(err) {
		err = fmt.Errorf("it has changed since it was read: %w", err)
	}
	return coded(l.ctx, err)
}

// check checks a checkpoint that is to be set.
func (l log) check(checkpoint []byte) error {
	if n := len(checkpoint); n == 0 || n > MaxCheckpointSize {
		return coded(l.ctx, fmt.Errorf("%w: checkpoint of %d bytes, want 1 to %d", errInvalid, n, MaxCheckpointSize))
	}
	return nil
}

// latest is what GetLatest returns of what was read.
func (l log) latest(f found, err error) ([]byte, error) {
	if err == nil && !f.Exists() {
		err = coded(l.ctx, errNoCheckpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("latest checkpoint of log %q: %w", l.id, err)
	}
	return f.clone(), nil
}

// reader is the LogStateReadOps of a log.
type reader struct{ log log }

// GetLatest implements [LogStateReadOps].
func (r *reader) GetLatest() ([]byte, error) { return r.log.latest(r.log.read()) }

// Errors that have a code of their own.
var (
	// errCorrupt: a record is there that this package did not write, or it is damaged.
	errCorrupt      = errors.New("record corrupt")
	errNoCheckpoint = errors.New("there is none")
	errInvalid      = errors.New("invalid argument")
	errClosed       = errors.New("the transaction was closed")
	errSet          = errors.New("the transaction has ended with its set")
)
