package raft

import (
	"context"
	"errors"
	"fmt"
	"sync"

	hraft "github.com/hashicorp/raft"

	"github.com/replctl/replicate/cas"
)

// query asks for a record, or a page of a list.
type query struct {
	Key   string    // of the record, or the prefix of the list
	Known cas.Token `json:",omitempty"`
	After string    `json:",omitempty"`
}

// read is a strong read on the leader.
func (n *Node) read(ctx context.Context, q query) (cas.Record, error) {
	if err := n.confirm(ctx); err != nil {
		return cas.Record{}, err
	}
	return n.fsm.now.Load().read(q.Key, q.Known), nil
}

// list is a strong page on the leader.
func (n *Node) list(ctx context.Context, q query) ([]cas.Entry, error) {
	if err := n.confirm(ctx); err != nil {
		return nil, err
	}
	return n.fsm.now.Load().list(q.Key, q.After, page), nil
}

// index is the last log entry that a strong read must see, on the leader.
func (n *Node) index(ctx context.Context, _ struct{}) (uint64, error) {
	if err := n.confirm(ctx); err != nil {
		return 0, err
	}
	return n.fsm.now.Load().index, nil
}

// catchUp waits until this node has applied everything that was acknowledged before the call.
func (n *Node) catchUp(ctx context.Context) error {
	index, err := atLeader(ctx, &n.caller, methodIndex, struct{}{}, n.index)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, n.cfg.Patience, errPatience)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	if err := n.fsm.reach(ctx, index); err != nil {
		return err
	}
	n.caughtUp.Store(true)
	return nil
}

// catchUpOnce has a node that was restarted go no further back than it was before.
func (n *Node) catchUpOnce(ctx context.Context) error {
	if n.caughtUp.Load() {
		return nil
	}
	return n.catchUp(ctx)
}

// confirm returns nil if this node was the leader at an instant after the call began, and has
// applied everything that was committed before. Calls that come while others wait share
// the next question to the voters.
//
// Every acknowledged write was applied by its leader before it was acknowledged. So it is enough that
// this node has applied everything from before its own term, and that nobody leads a later one.
//
// hraft's VerifyLeader is not enough. It counts answers to messages that were sent before it was called,
// and a process that was stopped for a while finds such answers when it goes on.
func (n *Node) confirm(ctx context.Context) error {
	return n.rounds.next(ctx, func() error {
		ctx, cancel := context.WithTimeoutCause(n.ctx, n.cfg.Patience, errPatience)
		defer cancel()
		term, err := n.ready()
		if err == nil {
			err = n.askVoters(ctx, term)
		}
		if err == nil {
			err = n.applyCommitted(ctx)
		}
		return err
	})
}

// applyCommitted waits until this node has applied every command that is committed, so that nobody sees less
// than a follower has shown. The state machine is not told of all entries, and the library knows only what it has
// handed over: so it looks for the last command itself.
func (n *Node) applyCommitted(ctx context.Context) error {
	commit := n.raft.CommitIndex()
	for i := commit; i > max(n.fsm.now.Load().index, n.settled.Load()); i-- {
		var entry hraft.Log
		err := n.log.GetLog(i, &entry)
		if errors.Is(err, hraft.ErrLogNotFound) {
			break // a snapshot has taken its place
		}
		if err == nil && entry.Type == hraft.LogCommand {
			err = n.fsm.reach(ctx, i)
		}
		if err != nil {
			return err
		}
	}
	n.settled.Store(commit)
	return nil
}

// ready returns the term in which this node leads, and has applied everything from before it.
func (n *Node) ready() (uint64, error) {
	term := n.raft.CurrentTerm()
	switch {
	case !n.isLeader():
		return 0, ErrNotLeader
	case n.readyTerm.Load() == term:
		return term, nil
	}
	if err := n.raft.Barrier(n.cfg.Patience).Error(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	if n.raft.CurrentTerm() != term {
		return 0, ErrNotLeader
	}
	n.readyTerm.Store(term)
	return term, nil
}

// askVoters returns nil if a majority of the voters, asked now, knows of no later term. Then
// none had been elected when they were asked, since a majority would have had to vote in it.
func (n *Node) askVoters(ctx context.Context, term uint64) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Heartbeat)
	defer cancel()
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	answers, voters, confirmed := make(chan error), 0, 0
	for _, s := range f.Configuration().Servers {
		if s.Suffrage != hraft.Voter {
			continue
		}
		voters++
		if s.ID == hraft.ServerID(n.cfg.ID) {
			confirmed++
			continue
		}
		go func() {
			answer := n.askVoter(ctx, string(s.Address), term)
			select {
			case answers <- answer:
			case <-ctx.Done():
			}
		}()
	}
	var last error
	for range voters - 1 {
		if confirmed > voters/2 {
			break
		}
		select {
		case last = <-answers:
			if last == nil {
				confirmed++
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: voters do not answer: %w", ErrNotLeader, context.Cause(ctx))
		}
	}
	if confirmed <= voters/2 || n.raft.CurrentTerm() != term || !n.isLeader() {
		return errors.Join(ErrNotLeader, last)
	}
	return nil
}

func (n *Node) askVoter(ctx context.Context, address string, term uint64) error {
	its, err := call[struct{}, uint64](ctx, &n.caller, address, methodTerm, struct{}{})
	if err == nil && its > term {
		err = fmt.Errorf("%w: %s is in term %d, and this node in %d", ErrNotLeader, address, its, term)
	}
	return err
}

// rounds has callers share the runs of a function. Each gets the result of one that began after
// it has come.
type rounds struct {
	mu      sync.Mutex
	running bool
	waiting *round // the next run; nil if nobody waits
}

type round struct {
	done chan struct{} // closed when err is set
	err  error
}

func (r *rounds) next(ctx context.Context, run func() error) error {
	r.mu.Lock()
	if r.waiting == nil {
		r.waiting = &round{done: make(chan struct{})}
	}
	mine := r.waiting
	if !r.running {
		r.running = true
		go r.run(run)
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run runs as long as somebody waits.
func (r *rounds) run(run func() error) {
	for {
		r.mu.Lock()
		now := r.waiting
		r.waiting = nil
		r.running = now != nil
		r.mu.Unlock()
		if now == nil {
			return
		}
		now.err = run()
		close(now.done)
	}
}
