package logstate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
)

// Limits.
const (
	MaxIDLen          = names.MaxLen                 // bytes; any bytes
	MaxCheckpointSize = cas.MaxValueSize - maxHeader // bytes; a real one has some hundred
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

// read returns the checkpoint and the version that it is.
func (l log) read(ctx context.Context) ([]byte, cas.Token, error) {
	r, err := l.store.Read(ctx, l.key, "")
	if err != nil || !r.Exists() {
		return nil, "", err
	}
	checkpoint, err := decode(r.Value)
	if err != nil {
		return nil, "", withCode(codes.DataLoss, fmt.Errorf("%s: %w", l.key, err))
	}
	return checkpoint, r.Token, nil
}

// latest is what GetLatest says about what was read.
func (l log) latest(checkpoint []byte, token cas.Token, err error) ([]byte, error) {
	if err == nil && token == "" {
		err = withCode(codes.NotFound, errNoCheckpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("latest checkpoint of log %q: %w", l.id, err)
	}
	return checkpoint, nil
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
