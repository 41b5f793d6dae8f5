package logstate

import (
	"context"
	"fmt"
)

// transaction is the LogStateWriteOps of a log.
type transaction struct {
	log  log
	turn chan struct{} // has room for the call that may use what follows

	read  bool
	found found
	over  error // why nothing more can be done
}

func newTransaction(l log) *transaction { return &transaction{log: l, turn: make(chan struct{}, 1)} }

func (w *transaction) take() error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-w.log.ctx.Done():
		return coded(w.log.ctx, context.Cause(w.log.ctx))
	}
}

func (w *transaction) give() { <-w.turn }

// GetLatest implements [LogStateWriteOps].
func (w *transaction) GetLatest() ([]byte, error) {
	err := w.take()
	if err != nil {
		return w.log.latest(found{}, err)
	}
	defer w.give()
	err = w.begin()
	return w.log.latest(w.found, err)
}

// begin reads what the transaction is about, unless that is known.
func (w *transaction) begin() (err error) {
	if w.over != nil {
		return coded(w.log.ctx, w.over)
	}
	if !w.read {
		w.found, err = w.log.read()
		w.read = err == nil
	}
	return err
}

// Set implements [LogStateWriteOps].
func (w *transaction) Set(checkpoint []byte) error {
	err := w.log.check(checkpoint)
	if err == nil {
		err = w.take()
	}
	if err == nil {
		err = w.set(checkpoint)
		w.give()
	}
	if err != nil {
		return fmt.Errorf("set checkpoint of log %q: %w", w.log.id, err)
	}
	return nil
}

func (w *transaction) set(checkpoint []byte) error {
	if err := w.begin(); err != nil {
		return err
	}
	w.over = errSet
	return w.log.replace(w.found, checkpoint)
}

// Close implements [LogStateWriteOps]. It sends no request, and its error is always nil.
func (w *transaction) Close() error {
	if w.take() == nil {
		defer w.give()
		w.found, w.over = found{}, errClosed
	}
	return nil
}
