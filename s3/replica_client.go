package s3

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// ReplicaClientType is the engine's name, and the scheme of its URLs.
const ReplicaClientType = "s3"

// ErrLeaseNotHeld and the other lease errors are those of package replicate.
var (
	ErrLeaseNotHeld         = replicate.ErrLeaseNotHeld
	ErrLeaseRequired        = replicate.ErrLeaseRequired
	ErrLeaseETagRequired    = replicate.ErrLeaseETagRequired
	ErrLeaseAlreadyReleased = replicate.ErrLeaseAlreadyReleased
	ErrTTLExceedsMax        = replicate.ErrTTLExceedsMax
	ErrLeaseCorrupt         = replicate.ErrLeaseCorrupt
)

// ReplicaClient reads and writes a replica in a bucket, in Litestream's layout: LTX files
// in LEVEL/, v0.3.x backups below generations/. NewReplicaClient makes one that can be
// used; calls of another return an error.
//
// The fields of Config are read when the client is first used.
type ReplicaClient struct {
	*replica.Client
	Config

	logger logger
}

var (
	_ replicate.ReplicaClient   = (*ReplicaClient)(nil)
	_ replicate.ReplicaClientV3 = (*ReplicaClient)(nil)
)

// NewReplicaClient returns a client of a replica. Bucket has to be set before
// it is used; the replica need not exist before the first write, but the bucket
// must.
func NewReplicaClient() *ReplicaClient {
	c := &ReplicaClient{Config: NewConfig()}
	c.Client = replica.NewClient(ReplicaClientType, ltx.LayoutS3, c.open)
	return c
}

// NewReplicaClientFromURL returns a client for the parts of an s3 URL, as
// replicate.ParseURL gives them; [ConfigFromURL] describes the grammar. The
// result is a *ReplicaClient.
func NewReplicaClientFromURL(
	scheme, host, urlPath string, query url.Values, userinfo *url.Userinfo,
) (replicate.ReplicaClient, error) {
	if scheme != "" && scheme != ReplicaClientType {
		return nil, fmt.Errorf("s3 replica: url scheme %q, want %q", scheme, ReplicaClientType)
	}
	cfg, err := ConfigFromURL(host, urlPath, query, userinfo)
	if err != nil {
		return nil, fmt.Errorf("s3 replica: %w", err)
	}
	c := NewReplicaClient()
	c.Config = cfg
	return c, nil
}

// Type implements replicate.ReplicaClient.
func (c *ReplicaClient) Type() string { return ReplicaClientType }

// SetLogger implements replicate.ReplicaClient; nil is Config.Logger, or the default.
func (c *ReplicaClient) SetLogger(logger *slog.Logger) {
	c.logger.set(logger)
	c.Client.SetLogger(cmp.Or(logger, c.Logger))
}

func (c *ReplicaClient) open(ctx context.Context) (blob.Store, error) {
	if c.logger.Load() == nil {
		c.Client.SetLogger(c.Logger)
	}
	return openStore(ctx, c.Config, &c.logger)
}
