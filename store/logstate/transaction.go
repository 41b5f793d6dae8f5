package logstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc/codes"

	"github.com/replctl/replicate/store/internal/record"
)

// WriteOps is a transaction on one log: at most one Set, on the condition that the
// log is still as it was when the transaction first read it. It is safe for
// concurrent use.
type WriteOps struct {
	log log

	mu    sync.Mutex
	read  bool
	found record.Stored
	over  error // why nothing more can be done
}

var (
	errClosed = errors.New("the transaction was closed")
	errSet    = errors.New("the transaction has ended with its set")
)

// GetLatest returns the log's checkpoint as it was when this transaction first read
// it, now or before. If there was none, the code of the error is NotFound, and Set
// makes the first one, unless another witness is faster.
func (w *WriteOps) GetLatest(ctx context.Context) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.begin(ctx)
	latest, err := w.log.latest(w.found, err)
	return bytes.Clone(latest), err
}

// begin reads what the transaction is about, unless that is known.
func (w *WriteOps) begin(ctx context.Context) (err error) {
	if w.over != nil {
		return withCode(codes.FailedPrecondition, w.over)
	}
	if !w.read {
		w.found, err = w.log.read(ctx)
		w.read = err == nil
	}
	return err
}

// Set replaces what GetLatest returned by the new checkpoint. Once it has tried to,
// the transaction is over, whatever came of it. Without a GetLatest before, it reads
// first: it then replaces whatever is there, which only suits a caller that has
// nothing to compare.
//
// If another witness has set a checkpoint since, the code of the error is Aborted,
// nothing was written or will be, and the caller starts over with a new transaction.
// An error that is cas.ErrIndeterminate, whose code is Unknown, leaves open whether
// the checkpoint was written.
func (w *WriteOps) Set(ctx context.Context, checkpoint []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.set(ctx, checkpoint); err != nil {
		return fmt.Errorf("set checkpoint of log %q: %w", w.log.id, err)
	}
	return nil
}

func (w *WriteOps) set(ctx context.Context, checkpoint []byte) error {
	if n := len(checkpoint); n == 0 || n > MaxCheckpointSize {
		return withCode(codes.InvalidArgument, fmt.Errorf("checkpoint of %d bytes: want 1 to %d", n, MaxCheckpointSize))
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	w.over = errSet
	_, err := recordFormat.Swap(ctx, w.log.store, w.log.key, checkpoint, w.found)
	if record.Lost(err) {
		return withCode(codes.Aborted, fmt.Errorf("it has changed since this transaction read it: %w", err))
	}
	return withDataLoss(err)
}

// Close ends the transaction. Without a Set before, nothing has changed. It makes
// no request, and its error is always nil.
func (w *WriteOps) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = errClosed
	w.found = record.Stored{}
	return nil
}
