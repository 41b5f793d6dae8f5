package replicate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// Fenceable is a client that a [FencedClient] can write through: whatever embeds a
// *StoreClient, as the engines' ReplicaClient types do.
type Fenceable interface {
	ReplicaClient
	base() *StoreClient
}

// FencedClient is a [ReplicaClient] that writes and deletes only while a [Session]
// is valid. Reading needs no lease and passes through.
//
// The session is asked before anything is sent, for each piece of the body, and
// again right before the step that makes the file visible; its context ends what
// hangs. What is refused has the session's error in the chain, and has
// left nothing behind. So a former holder that was paused in the middle of a write
// does not finish it when it goes on.
//
// What has been sent cannot be called back: a request may be under way when the
// lease ends, for as long as the network keeps it. That is why the client is
// create-only unless CreateOnly is set to false: a write that comes late finds the
// new holder's file and fails, or is found by it, and the new holder's fails with
// an [LTXConflictError]. Deletes have no such net but the session's guard interval.
// That holds for a release, too: the client tells the session of its requests, and
// [Session.Release] waits for the guard after one that failed or was given up.
//
// Each file written has the lease's generation and owner in its metadata, where the
// store keeps metadata: [MetadataLeaseGeneration], [MetadataLeaseOwner].
type FencedClient struct {
	*StoreClient
	client  Fenceable
	session *Session
}

var (
	_ Fenceable       = (*FencedClient)(nil)
	_ ReplicaClientV3 = (*FencedClient)(nil)
)

// NewFencedClient returns a client of the same replica as the given one, whose
// fields count, but for CreateOnly: the result has its own, which is true.
func NewFencedClient(client Fenceable, session *Session) *FencedClient {
	base := client.base()
	return &FencedClient{client: client, session: session, StoreClient: &StoreClient{
		CreateOnly: true,
		kind:       base.kind,
		logger:     base.log(),
		stamp:      func(metadata map[string]string) { stampLease(metadata, session.Lease()) },
		open: func(ctx context.Context) (blob.Store, ltx.Layout, error) {
			store, layout, err := base.init(ctx)
			return guardedStore{store, session.Err}, layout, err
		},
	}}
}

// SetLogger implements [ReplicaClient], for the client below as well.
func (c *FencedClient) SetLogger(logger *slog.Logger) {
	c.StoreClient.SetLogger(logger)
	c.client.SetLogger(logger)
}

// WriteLTXFile implements [ReplicaClient].
func (c *FencedClient) WriteLTXFile(ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader) (info *ltx.FileInfo, err error) {
	op := fmt.Sprintf("write ltx file %s of level %d", ltx.FormatName(minTXID, maxTXID), level)
	err = c.fenced(ctx, op, func(ctx context.Context) error {
		info, err = c.StoreClient.WriteLTXFile(ctx, level, minTXID, maxTXID, r)
		return err
	})
	return info, err
}

// DeleteLTXFiles implements [ReplicaClient].
func (c *FencedClient) DeleteLTXFiles(ctx context.Context, a []*ltx.FileInfo) error {
	return c.fenced(ctx, "delete ltx files", func(ctx context.Context) error {
		return c.StoreClient.DeleteLTXFiles(ctx, a)
	})
}

// DeleteAll implements [ReplicaClient].
func (c *FencedClient) DeleteAll(ctx context.Context) error {
	return c.fenced(ctx, "delete replica", c.StoreClient.DeleteAll)
}

// fenced runs fn while the session is valid, with a context that ends with it.
func (c *FencedClient) fenced(ctx context.Context, op string, fn func(context.Context) error) error {
	done, err := c.session.request()
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.session.Context(), func() { cancel(c.session.Err()) })
	defer stop()
	err = fn(ctx)
	var conflict *LTXConflictError
	if err != nil && !errors.As(err, &conflict) { // it has an answer only then
		c.session.Abandoned()
	}
	if lost := context.Cause(ctx); err != nil && lost != nil && !errors.Is(err, lost) {
		return fmt.Errorf("%w: %w", err, lost) // whatever a library made of it
	}
	return err
}
