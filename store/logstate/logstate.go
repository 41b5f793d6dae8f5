package logstate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// Limits.
const (
	MaxIDLen          = names.MaxLen                      // bytes; any bytes
	MaxCheckpointSize = cas.MaxValueSize - record.MaxSeal // bytes; a real one has some hundred
)

// prefix of the records' keys. After it comes the log's ID, encoded.
const prefix = "logstate/"

// Storage is the checkpoints of any number of logs. It is safe for concurrent use,
// and other processes may use the same store.
type Storage struct {
	store cas.Store
}

// New returns the checkpoints that are kept in store, below "logstate/".
func New(store cas.Store) *Storage { return &Storage{store} }

// Init finds out whether the store can be reached. There is nothing to set up, and
// no need to call it.
func (s *Storage) Init(ctx context.Context) error {
	for _, err := range s.store.List(ctx, prefix, "") {
		if err != nil {
			return fmt.Errorf("init log state: %w", err)
		}
		break
	}
	return nil
}

// Logs returns the IDs of the logs that have a checkpoint, in the order of their
// bytes.
func (s *Storage) Logs(ctx context.Context) ([]string, error) {
	ids := []string{}
	for e, err := range s.store.List(ctx, prefix, "") {
		if err != nil {
			return nil, fmt.Errorf("list logs: %w", err)
		}
		id, err := names.Decode(strings.TrimPrefix(e.Key, prefix))
		if err != nil {
			return nil, fmt.Errorf("list logs: %w", withCode(codes.DataLoss, err))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// ReadOps returns the operations that read a log's checkpoint. The log need not
// have one. The error is about the ID: no request is made.
func (s *Storage) ReadOps(_ context.Context, id string) (*ReadOps, error) {
	l, err := s.log(id)
	if err != nil {
		return nil, fmt.Errorf("read ops: %w", err)
	}
	return &ReadOps{l}, nil
}

// WriteOps begins a transaction on a log, which need not have a checkpoint. The
// error is about the ID: no request is made, and others are not kept from anything.
func (s *Storage) WriteOps(_ context.Context, id string) (*WriteOps, error) {
	l, err := s.log(id)
	if err != nil {
		return nil, fmt.Errorf("write ops: %w", err)
	}
	return &WriteOps{log: l}, nil
}

// log is one log's record.
type log struct {
	store cas.Store
	id    string
	key   string
}

func (s *Storage) log(id string) (log, error) {
	part, err := names.Encode(id)
	if err != nil {
		return log{}, withCode(codes.InvalidArgument, fmt.Errorf("log id: %w", err))
	}
	return log{s.store, id, prefix + part}, nil
}

// read returns the version of the record that is there; zero if there is none.
func (l log) read(ctx context.Context) (record.Stored, error) {
	r, err := recordFormat.Read(ctx, l.store, l.key, record.Stored{})
	if err == nil && r.Exists() && len(r.Body) == 0 {
		err = fmt.Errorf("%s: %w: the checkpoint is empty", l.key, errCorrupt)
	}
	return r, withDataLoss(err)
}

// latest is what GetLatest says about what was read.
func (l log) latest(r record.Stored, err error) ([]byte, error) {
	if err == nil && !r.Exists() {
		err = withCode(codes.NotFound, errNoCheckpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("latest checkpoint of log %q: %w", l.id, err)
	}
	return r.Body, nil
}

var errNoCheckpoint = errors.New("there is none")

// ReadOps reads one log. It is safe for concurrent use.
type ReadOps struct {
	log log
}

// GetLatest returns the log's checkpoint as it is now. If there is none, the code
// of the error is NotFound.
func (r *ReadOps) GetLatest(ctx context.Context) ([]byte, error) {
	return r.log.latest(r.log.read(ctx))
}
