package raft

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

// LeaserType is the engine's name.
const LeaserType = "raft"

// Read says what a read may miss.
type Read int

// Strong reads see every write that returned before them. Eventual ones are answered by the
// node itself, without a request, and may be old: see the package comment.
const (
	Strong Read = iota
	Eventual
)

// Options say which records a [Records] shows, and how it reads.
type Options struct {
	// Prefix is put before each key: "" or up to 128 bytes that end in "/". Records with
	// different prefixes, none of which continues another one, have nothing to do with one another.
	Prefix string

	Read Read
}

// Records are the records of a cluster, or those with a prefix, as one node or client serves them.
type Records struct {
	c    *caller
	n    *Node // nil: a client's
	opts Options
}

var (
	_ cas.Notifier = (*Records)(nil)
	_ cas.Deleter  = (*Records)(nil)
	_ cas.Batcher  = (*Records)(nil)
)

// With returns the records with other options.
func (n *Node) With(opts Options) (*Records, error) { return with(&n.caller, n, opts) }

func with(c *caller, n *Node, opts Options) (*Records, error) {
	err := cas.CheckPrefix(opts.Prefix)
	switch {
	case err != nil:
	case len(opts.Prefix) > maxPrefix:
		err = fmt.Errorf("prefix of %d bytes, at most %d allowed", len(opts.Prefix), maxPrefix)
	case opts.Read != Strong && opts.Read != Eventual:
		err = fmt.Errorf("unknown consistency of reads: %d", opts.Read)
	case opts.Read == Eventual && n == nil:
		err = errors.New("eventual reads need a node: a client has no records of its own")
	default:
		return &Records{c, n, opts}, nil
	}
	return nil, fmt.Errorf("raft records: %w", err)
}

// begin is nil if a call with such arguments may go on.
func (r *Records) begin(ctx context.Context, err error) error {
	switch {
	case err != nil:
		return err
	case r == nil || r.c == nil:
		return errNotOpen
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return r.c.usable()
}

// Read implements [cas.Store].
func (r *Records) Read(ctx context.Context, key string, known cas.Token) (rec cas.Record, err error) {
	defer errs.Wrap(&err, "read %s", key)
	if err := r.begin(ctx, cas.CheckKey(key)); err != nil {
		return cas.Record{}, err
	}
	q := query{Key: r.opts.Prefix + key, Known: known}
	if r.opts.Read == Eventual {
		if err := r.n.catchUpOnce(ctx); err != nil {
			return cas.Record{}, err
		}
		return r.n.fsm.now.Load().read(q.Key, q.Known), nil
	}
	return atLeader(ctx, r.c, methodRead, q, r.n.read)
}

// Write implements [cas.Store].
func (r *Records) Write(ctx context.Context, key string, value []byte, expect cas.Token) (w cas.Written, err error) {
	defer errs.Wrap(&err, "write %s", key)
	if err := r.begin(ctx, cas.CheckWrite(key, value)); err != nil {
		return cas.Written{}, err
	}
	index, err := r.change(ctx, cas.Change{Key: key, Value: value, Expect: expect})
	if err != nil {
		return cas.Written{}, err
	}
	return cas.Written{Token: token(index)}, nil
}

// WriteAll implements [cas.Batcher].
func (r *Records) WriteAll(ctx context.Context, changes []cas.Change) (all []cas.Written, err error) {
	defer errs.Wrap(&err, "write %d records", len(changes))
	if err := r.begin(ctx, cas.CheckBatch(changes)); err != nil {
		return nil, err
	}
	index, err := r.change(ctx, changes...)
	if err != nil {
		return nil, err
	}
	for range changes {
		all = append(all, cas.Written{Token: token(index)})
	}
	return all, nil
}

func (r *Records) change(ctx context.Context, writes ...cas.Change) (uint64, error) {
	var all []change
	for _, w := range writes {
		expect, ok := indexOf(w.Expect)
		if !ok {
			return 0, cas.ErrConflict // no version ever has such a token
		}
		all = append(all, change{key: r.opts.Prefix + w.Key, value: w.Value, expect: expect})
	}
	return r.send(ctx, all)
}

// send has the leader write changes, and returns the log entry that did it.
func (r *Records) send(ctx context.Context, changes []change) (uint64, error) {
	return atLeader(ctx, r.c, methodChange, encodeChanges(changes), r.n.changeHere)
}

// Delete implements [cas.Deleter].
func (r *Records) Delete(ctx context.Context, key string, expect cas.Token) (err error) {
	defer errs.Wrap(&err, "delete %s", key)
	if err := r.begin(ctx, cas.CheckKey(key)); err != nil {
		return err
	}
	index, ok := indexOf(expect)
	if !ok || index == 0 {
		return cas.ErrConflict
	}
	_, err = r.send(ctx, []change{{key: r.opts.Prefix + key, expect: index, remove: true}})
	return err
}

// page is how many records one request lists.
const page = 1000

// List implements [cas.Store]. It asks for a page at a time.
func (r *Records) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) {
		after, entries := after, []cas.Entry(nil)
		for first := true; first || len(entries) == page; first = false {
			err := r.begin(ctx, cas.CheckPrefix(prefix))
			if err == nil {
				entries, err = r.page(ctx, prefix, after)
			}
			if err != nil {
				yield(cas.Entry{}, fmt.Errorf("list %q: %w", prefix, err))
				return
			}
			for _, e := range entries {
				e.Key = strings.TrimPrefix(e.Key, r.opts.Prefix)
				after = e.Key
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func (r *Records) page(ctx context.Context, prefix, after string) ([]cas.Entry, error) {
	q := query{Key: r.opts.Prefix + prefix, After: r.opts.Prefix + after}
	if r.opts.Read == Eventual {
		if err := r.n.catchUpOnce(ctx); err != nil {
			return nil, err
		}
		return r.n.fsm.now.Load().list(q.Key, q.After, page), nil
	}
	return atLeader(ctx, r.c, methodList, q, r.n.list)
}

// Notify implements [cas.Notifier].
func (r *Records) Notify(ctx context.Context, prefix string) (_ <-chan struct{}, err error) {
	defer errs.Wrap(&err, "notify %q", prefix)
	if err := r.begin(ctx, cas.CheckPrefix(prefix)); err != nil {
		return nil, err
	}
	hints := make(chan struct{}, 1)
	if r.n == nil {
		return hints, r.c.watch(ctx, r.opts.Prefix+prefix, hints)
	}
	changed, replaced := r.n.fsm.watch(r.opts.Prefix + prefix)
	go func() {
		defer close(hints)
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.n.ctx.Done():
				return
			case <-changed:
			case <-replaced:
			}
			changed, replaced = r.n.fsm.watch(r.opts.Prefix + prefix)
			select {
			case hints <- struct{}{}:
			default:
			}
		}
	}()
	return hints, nil
}
