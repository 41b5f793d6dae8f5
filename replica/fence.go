package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
)

// Fenceable is a client that a [FencedClient] can write through.
//
// Its methods that write call [Fenced] with the context that they are given, and use the
// store that it returns. [Client] does, and so does every client that embeds one,
// whatever methods it overrides.
type Fenceable interface {
	replicate.ReplicaClient
	Source
}

// FencedClient is a [replicate.ReplicaClient] that writes and deletes only while a [lease.Session]
// is valid. Reading needs no lease and passes through.
//
// The session is asked before anything is sent, for each piece of the body, and
// again right before the step that makes the file visible; its context ends what
// hangs. What is refused has the session's error in the chain, and has
// left nothing behind. So a former holder that was paused in the middle of a write
// does not finish it when it goes on.
//
// A request that was sent cannot be called back: it may be under way when the
// lease ends, for as long as the network keeps it. That is why the client is
// create-only unless CreateOnly is set to false: a write that comes late finds the
// new holder's file and fails, or is found by it, and the new holder's fails with
// a [ConflictError]. Deletes have no such net but the session's guard interval.
// That holds for a release, too: the client tells the session of its requests, and
// [lease.Session.Release] waits for the guard after one that failed or was given up.
//
// Each file written has the lease's generation and owner in its metadata, where the
// store keeps metadata: [MetadataLeaseGeneration], [MetadataLeaseOwner].
type FencedClient struct {
	*Client // of the guarded store: for operations on the whole replica
	client  Fenceable
	session *lease.Session
}

var (
	_ Fenceable                 = (*FencedClient)(nil)
	_ replicate.ReplicaClientV3 = (*FencedClient)(nil)
)

// NewFencedClient returns a client that calls the methods of the given one, under the
// session's lease. It is create-only, or as the given one is if CreateOnly is set to false.
func NewFencedClient(client Fenceable, session *lease.Session) *FencedClient {
	c := &FencedClient{client: client, session: session}
	c.Client = &Client{CreateOnly: true, kind: c.inner().Type(), open: func(ctx context.Context) (*Files, error) {
		files, err := Open(ctx, c.inner())
		if err != nil {
			return nil, err
		}
		return &Files{Store: guardedStore{files.Store, c.fence()}, Layout: files.Layout}, nil
	}}
	return c
}

// inner is the client below; one without a store if there is none.
func (c *FencedClient) inner() Fenceable {
	if c.client == nil {
		return new(Client)
	}
	return c.client
}

// Init implements [replicate.ReplicaClient].
func (c *FencedClient) Init(ctx context.Context) error { return c.inner().Init(ctx) }

// SetLogger implements [replicate.ReplicaClient], for the client below as well.
func (c *FencedClient) SetLogger(logger *slog.Logger) {
	c.Client.SetLogger(logger)
	c.inner().SetLogger(logger)
}

// LTXFiles implements [replicate.ReplicaClient].
func (c *FencedClient) LTXFiles(
	ctx context.Context, level int, seek ltx.TXID, useMetadata bool,
) (ltx.FileIterator, error) {
	return c.inner().LTXFiles(ctx, level, seek, useMetadata)
}

// OpenLTXFile implements [replicate.ReplicaClient].
func (c *FencedClient) OpenLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, offset, size int64,
) (io.ReadCloser, error) {
	return c.inner().OpenLTXFile(ctx, level, minTXID, maxTXID, offset, size)
}

// WriteLTXFile implements [replicate.ReplicaClient].
func (c *FencedClient) WriteLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader,
) (info *ltx.FileInfo, err error) {
	op := fmt.Sprintf("write ltx file %s of level %d", ltx.FormatName(minTXID, maxTXID), level)
	err = c.fenced(ctx, op, func(ctx context.Context) error {
		info, err = c.inner().WriteLTXFile(ctx, level, minTXID, maxTXID, r)
		return err
	})
	return info, err
}

// DeleteLTXFiles implements [replicate.ReplicaClient].
func (c *FencedClient) DeleteLTXFiles(ctx context.Context, a []*ltx.FileInfo) error {
	return c.fenced(ctx, "delete ltx files", func(ctx context.Context) error {
		return c.inner().DeleteLTXFiles(ctx, a)
	})
}

// DeleteAll implements [replicate.ReplicaClient].
func (c *FencedClient) DeleteAll(ctx context.Context) error {
	return c.fenced(ctx, "delete replica", c.inner().DeleteAll)
}

func (c *FencedClient) fence() *fence {
	return &fence{
		guard:      c.session.Err,
		stamp:      func(metadata map[string]string) { stampLease(metadata, c.session.Lease()) },
		createOnly: c.CreateOnly,
	}
}

// errNotFenced: a client's method does not call Fenced.
var errNotFenced = errors.New("the client did not ask for the fence: what it wrote was not fenced")

// fenced runs fn while the session is valid, with a context that ends with it.
func (c *FencedClient) fenced(ctx context.Context, op string, fn func(context.Context) error) error {
	done, err := c.session.Request()
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.session.Context(), func() { cancel(c.session.Err()) })
	defer stop()
	fence := c.fence()
	err = fn(context.WithValue(ctx, fenceKey{}, fence))
	if err == nil && !fence.asked.Load() {
		err = errNotFenced
	}
	var conflict *ConflictError
	if err != nil && !errors.As(err, &conflict) { // it has an answer only then
		c.session.Abandoned()
	}
	if lost := context.Cause(ctx); err != nil && lost != nil && !errors.Is(err, lost) {
		return fmt.Errorf("%w: %w", err, lost) // whatever a library made of it
	}
	return err
}

// fence is what a client's method has to keep to while it writes.
type fence struct {
	guard      func() error            // nil while it may write
	stamp      func(map[string]string) // adds to the metadata of each object
	createOnly bool
	asked      atomic.Bool
}

// fenceKey is the key of a context's *fence.
type fenceKey struct{}

// Fenced returns the store as a call with this context may use it. Under a [FencedClient]
// it writes and deletes only while the lease is valid, and createOnly says that no object
// may be replaced: see [Create]. Otherwise it is the store as it is.
func Fenced(ctx context.Context, store blob.Store) (fenced blob.Store, createOnly bool) {
	f, ok := ctx.Value(fenceKey{}).(*fence)
	if !ok {
		return store, false
	}
	f.asked.Store(true)
	return guardedStore{store, f}, f.createOnly
}
