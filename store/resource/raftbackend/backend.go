package raftbackend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/store/resource"
)

// Handle is what a Raft host offers to a [Backend]. Its methods are called from many
// goroutines.
type Handle interface {
	// Apply appends a message to the log, and returns what Backend.Apply on this
	// node has returned for it. Messages have at most 2 MiB.
	//
	// An error that is resource.ErrInconsistent means that the message was not applied
	// and never will be: this node does not lead, the queue is full. With any other
	// error it is not known whether it was.
	Apply(msg []byte) (any, error)

	// IsLeader reports whether this node leads, as far as it knows.
	IsLeader() bool

	// EnsureStrongConsistency returns nil if this node led at some instant after the call,
	// and Backend.Apply has returned for every message that was committed before the call.
	EnsureStrongConsistency(ctx context.Context) error

	// DialLeader returns a connection to the leader, whose host hands it to
	// Backend.HandleConnection there. The backend closes it. An error means that
	// nothing was sent. Give it a keepalive: without one, a call to a leader that has
	// vanished lasts as long as the caller's context.
	DialLeader() (*grpc.ClientConn, error)
}

// CASOutcomes returns a Handle for a host whose errors of Apply are those of a cas.Store's
// Write: what is not cas.ErrIndeterminate is certain.
func CASOutcomes(h Handle) Handle { return casOutcomes{h} }

type casOutcomes struct{ Handle }

// Apply implements Handle.
func (h casOutcomes) Apply(msg []byte) (any, error) {
	value, err := h.Handle.Apply(msg)
	if !errors.Is(err, cas.ErrIndeterminate) {
		err = inconsistent(err)
	}
	return value, err
}

// watchBuffer is how many changes a node remembers for its watches.
const watchBuffer = 4096

// Backend is the resources of one node. [Resources] makes a resource.Backend of it. It is safe
// for concurrent use; Apply and a Restoration are for the one goroutine that is the
// host's state machine.
type Backend struct {
	handle Handle
	log    *slog.Logger
	conns  *listener
	leader leader

	mu      sync.Mutex
	machine *resource.Machine
	staged  staged
	index   uint64 // of the last log entry
	offset  uint64 // of versions from indices
	moved   chan struct{}
	closed  bool
}

// NewBackend returns a backend without resources. The handle may be nil, see the package
// comment; so may the logger.
func NewBackend(h Handle, l *slog.Logger) (*Backend, error) {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return &Backend{
		handle: h, log: l, conns: newListener(), leader: leader{handle: h, log: l},
		machine: resource.NewMachine(watchBuffer), moved: make(chan struct{}),
	}, nil
}

// Run serves forwarded calls until ctx ends. Then it ends the watches, closes the
// connections, and returns; every later call is refused. Call it once, in a goroutine.
func (b *Backend) Run(ctx context.Context) {
	if b.conns == nil {
		return // NewBackend has not made it
	}
	server := newServer(b)
	defer context.AfterFunc(ctx, func() {
		_ = b.conns.Close()
		server.Stop()
	})()
	if err := server.Serve(b.conns); err != nil && ctx.Err() == nil {
		b.log.Error("serve forwarded calls", "error", err)
	}
	<-ctx.Done()
	server.Stop() // again, to wait for it
	b.leader.changed()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.machine.End()
	b.move()
}

// HandleConnection serves calls on a connection, which it closes at the end. It waits for Run.
func (b *Backend) HandleConnection(conn net.Conn) { b.conns.handle(conn) }

// LeaderChanged has the next call dial the leader anew. Calls that are under way fail.
func (b *Backend) LeaderChanged() { b.leader.changed() }

// Read is Read of resource.Backend.
func (b *Backend) Read(
	ctx context.Context, consistency resource.Consistency, id resource.ID,
) (*resource.Resource, error) {
	err := resource.CheckID(id)
	if err == nil {
		err = b.check(ctx, consistency)
	}
	switch {
	case err == nil && consistency == resource.Strong && !b.handle.IsLeader():
		return b.forwardRead(ctx, id)
	case err == nil && consistency == resource.Strong:
		err = b.ensure(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return b.state().Read(id)
}

// WriteCAS is WriteCAS of resource.Backend.
func (b *Backend) WriteCAS(ctx context.Context, res *resource.Resource) (_ *resource.Resource, err error) {
	m := message{write: res}
	if res == nil {
		return nil, fmt.Errorf("write: %w", resource.CheckResource(nil))
	}
	defer errs.Wrap(&err, "write %v", res.ID)
	stored, err := b.propose(ctx, &m)
	if errors.Is(err, resource.ErrWrongUID) && res.Version == "" && !errors.Is(err, resource.ErrCASFailure) {
		err = fmt.Errorf("%w: %w", resource.ErrCASFailure, err) // a status has one code
	}
	if err != nil {
		return nil, err
	}
	return stored.Clone(), nil
}

// DeleteCAS is DeleteCAS of resource.Backend.
func (b *Backend) DeleteCAS(ctx context.Context, id resource.ID, version string) (err error) {
	defer errs.Wrap(&err, "delete %v", id)
	_, err = b.propose(ctx, &message{remove: &removal{id, version}})
	return err
}

// List is List of resource.Backend.
func (b *Backend) List(
	ctx context.Context, consistency resource.Consistency, typ resource.UnversionedType, tenancy resource.Tenancy,
	namePrefix string,
) ([]*resource.Resource, error) {
	if err := b.catchUp(ctx, consistency); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	return b.state().List(typ, tenancy, namePrefix), nil
}

// ListByOwner is ListByOwner of resource.Backend.
func (b *Backend) ListByOwner(ctx context.Context, owner resource.ID) ([]*resource.Resource, error) {
	if err := b.catchUp(ctx, resource.Eventual); err != nil {
		return nil, fmt.Errorf("list by owner: %w", err)
	}
	return b.state().ListByOwner(owner), nil
}

// WatchList is WatchList of resource.Backend.
func (b *Backend) WatchList(
	ctx context.Context, typ resource.UnversionedType, tenancy resource.Tenancy, namePrefix string,
) (resource.Watch, error) {
	if err := b.catchUp(ctx, resource.Strong); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	return b.state().WatchList(typ, tenancy, namePrefix), nil
}

// state is the machine as it is now; a restore replaces it.
func (b *Backend) state() *resource.Machine {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.machine
}

var errNoHost = fmt.Errorf("%w: the backend has no raft host", resource.ErrInconsistent)

// check refuses what cannot be answered at all.
func (b *Backend) check(ctx context.Context, c resource.Consistency) error {
	if b == nil || b.handle == nil {
		return errNoHost
	}
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	switch {
	case c != resource.Eventual && c != resource.Strong:
		return fmt.Errorf("%w consistency %d", resource.ErrInvalid, c)
	case closed:
		return resource.ErrClosed
	case ctx.Err() != nil:
		return inconsistent(context.Cause(ctx))
	}
	return nil
}

// catchUp makes the state of this node as current as asked for.
func (b *Backend) catchUp(ctx context.Context, c resource.Consistency) error {
	err := b.check(ctx, c)
	switch {
	case err != nil || c == resource.Eventual:
		return err
	case b.handle.IsLeader():
		return b.ensure(ctx)
	}
	return b.forwardSync(ctx)
}

func (b *Backend) ensure(ctx context.Context) error {
	return inconsistent(b.handle.EnsureStrongConsistency(ctx))
}

// sayWhenSlow logs what is being waited for, when it takes more than two seconds. Call the
// result at the end.
func (b *Backend) sayWhenSlow(what string) (stop func() bool) {
	return time.AfterFunc(2*time.Second, func() { b.log.Info(what) }).Stop
}

// inconsistent is the error of what has certainly changed nothing.
func inconsistent(err error) error {
	switch {
	case err == nil || errors.Is(err, resource.ErrInconsistent) && !errors.Is(err, cas.ErrIndeterminate):
		return err
	case errors.Is(err, cas.ErrIndeterminate):
		return fmt.Errorf("%w: %s", resource.ErrInconsistent, err.Error())
	}
	return fmt.Errorf("%w: %w", resource.ErrInconsistent, err)
}

// unknown is the error of what may have been applied.
func unknown(err error) error {
	if errors.Is(err, resource.ErrInconsistent) {
		return fmt.Errorf("%w: %s", cas.ErrIndeterminate, err.Error())
	}
	return fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
}

// propose has a message applied, here or by the leader, and returns what was stored.
func (b *Backend) propose(ctx context.Context, m *message) (*resource.Resource, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if err := b.check(ctx, resource.Strong); err != nil {
		return nil, err
	}
	encoded := m.encode()
	switch {
	case len(encoded) > maxMessage && m.remove != nil:
		return nil, nil // so large a name was never stored
	case len(encoded) > maxMessage:
		return nil, fmt.Errorf("%w: a message of %d bytes, at most %d allowed", cas.ErrTooLarge, len(encoded), maxMessage)
	case b.handle.IsLeader():
		return b.order(ctx, m, encoded)
	}
	return b.forwardApply(ctx, encoded)
}

// order has the host append a message, as encoded. The host knows no context: when ctx ends,
// the outcome is unknown.
func (b *Backend) order(ctx context.Context, m *message, encoded []byte) (*resource.Resource, error) {
	type answer struct {
		value any
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := b.handle.Apply(encoded)
		answers <- answer{value, err}
	}()
	defer b.sayWhenSlow("waiting for the raft host to apply a message")()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		return nil, unknown(context.Cause(ctx))
	}
	switch {
	case a.err == nil:
	case errors.Is(a.err, resource.ErrInconsistent) && !errors.Is(a.err, cas.ErrIndeterminate):
		return nil, a.err
	default:
		return nil, unknown(a.err)
	}
	switch value := a.value.(type) {
	case nil:
		if m.write == nil {
			return nil, nil
		}
	case error:
		return nil, value
	case *resource.Resource:
		return value, nil
	}
	return nil, unknown(fmt.Errorf("the raft host returns a %T", a.value))
}
