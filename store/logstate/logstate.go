package logstate

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// Limits.
const (
	MaxIDLen          = 253                               // bytes; any bytes
	MaxCheckpointSize = cas.MaxValueSize - record.MaxSeal // bytes; a real one has some hundred
)

// prefix of the records' keys. After it comes the log's ID, encoded.
const prefix = "logstate/"

// Store is the checkpoints of any number of logs on a cas.Store. It is safe for
// concurrent use, and other processes may use the same store. New makes one; the methods
// of the zero Store return errors.
type Store struct {
	store cas.Store
	ctx   context.Context
}

var (
	_ LogStatePersistence = (*Store)(nil)
	_ LogStateUpdater     = (*Store)(nil)
)

// New returns the checkpoints that are kept in store, below "logstate/".
func New(store cas.Store) *Store { return &Store{store: store} }

// WithContext returns the same checkpoints, whose requests end with ctx: those of the
// methods, and those of the operations that ReadOps and WriteOps of the result return.
func (s *Store) WithContext(ctx context.Context) *Store { return &Store{s.store, ctx} }

// open returns the store and the context of requests, also those of the zero Store.
func (s *Store) open() (cas.Store, context.Context) {
	if s.ctx == nil {
		return record.In(s.store), context.Background()
	}
	return record.In(s.store), s.ctx
}

// Init implements [LogStatePersistence]. It sends one request.
func (s *Store) Init() error {
	for _, err := range s.logs() {
		if err != nil {
			return fmt.Errorf("init log state: %w", err)
		}
		break
	}
	return nil
}

// Logs implements [LogStatePersistence].
func (s *Store) Logs() ([]string, error) {
	ids := []string{}
	for id, err := range s.logs() {
		if err != nil {
			return nil, fmt.Errorf("list logs: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// logs yields the IDs of the logs. An error is the last value.
func (s *Store) logs() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		store, ctx := s.open()
		if ctx.Err() != nil {
			yield("", coded(ctx, context.Cause(ctx)))
			return
		}
		for e, err := range store.List(ctx, prefix, "") {
			if err != nil {
				yield("", coded(ctx, err))
				return
			}
			id, err := names.Decode(strings.TrimPrefix(e.Key, prefix))
			if err != nil {
				err = coded(ctx, fmt.Errorf("%w: %w", errCorrupt, err))
			}
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}

// ReadOps implements [LogStatePersistence]. It sends no request: an error is about the ID.
func (s *Store) ReadOps(logID string) (LogStateReadOps, error) {
	l, err := s.log(logID)
	if err != nil {
		return nil, fmt.Errorf("read ops: %w", err)
	}
	return &reader{l}, nil
}

// WriteOps implements [LogStatePersistence]. It sends no request: an error is about the ID.
func (s *Store) WriteOps(logID string) (LogStateWriteOps, error) {
	l, err := s.log(logID)
	if err != nil {
		return nil, fmt.Errorf("write ops: %w", err)
	}
	return newTransaction(l), nil
}

// Latest implements [LogStateUpdater].
func (s *Store) Latest(logID string) ([]byte, error) {
	l, err := s.log(logID)
	if err != nil {
		return nil, fmt.Errorf("latest checkpoint: %w", err)
	}
	found, err := l.read()
	if err != nil {
		return nil, fmt.Errorf("latest checkpoint of log %q: %w", logID, err)
	}
	return found.clone(), nil
}

// Update implements [LogStateUpdater].
func (s *Store) Update(logID string, f func(current []byte) (next []byte, err error)) error {
	l, err := s.log(logID)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	for {
		found, err := l.read()
		if err != nil {
			return fmt.Errorf("update log %q: %w", logID, err)
		}
		next, err := f(found.clone())
		if err != nil {
			return err
		}
		if err = l.check(next); err == nil {
			err = l.replace(found, next)
		}
		switch {
		case err == nil:
			return nil
		case !record.Lost(err):
			return fmt.Errorf("update log %q: %w", logID, err)
		}
	}
}
