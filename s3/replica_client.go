package s3

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"

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

type storeClient = replica.Client

// ReplicaClient reads and writes a replica in a bucket, in Litestream's layout:
// LTX files in LEVEL/, v0.3.x backups below generations/. Its methods are those
// of replicate.ReplicaClient and replicate.ReplicaClientV3, its fields have the
// names and defaults that Litestream gives them. They are read when the client
// is first used.
type ReplicaClient struct {
	*storeClient

	Bucket         string
	Path           string // the replica's root in the bucket
	Region         string // see Config
	Endpoint       string // see Config
	ForcePathStyle bool   // false leaves it to what is known of the endpoint
	SkipVerify     bool

	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string

	// True, as New sets them, leaves these to what is known of the endpoint.
	SignPayload        bool
	SignAcceptEncoding bool
	RequireContentMD5  bool // with DeleteObjects

	PutObjectContentMD5 bool

	PartSize     int64 // see Config
	Concurrency  int   // see Config
	StorageClass string

	SSECustomerAlgorithm string
	SSECustomerKey       string
	SSECustomerKeyMD5    string
	SSEKMSKeyID          string

	OnWait func(Wait) // see Config

	fromURL Config // the choices of a URL that the fields above cannot hold

	mu     sync.Mutex
	store  *Store // nil until it is open
	logger *slog.Logger
}

var (
	_ replicate.ReplicaClient   = (*ReplicaClient)(nil)
	_ replicate.ReplicaClientV3 = (*ReplicaClient)(nil)
)

// NewReplicaClient returns a client of a replica. Bucket has to be set before
// it is used; the replica need not exist before the first write, but the bucket
// must.
func NewReplicaClient() *ReplicaClient {
	c := &ReplicaClient{SignPayload: true, SignAcceptEncoding: true, RequireContentMD5: true}
	c.storeClient = replica.NewClient(ReplicaClientType, ltx.LayoutS3, c.open)
	return c
}

// NewReplicaClientFromURL returns a client for the parts of an s3 URL, as
// replicate.ParseURL gives them; [ConfigFromURL] describes the grammar. The
// result is a *ReplicaClient.
func NewReplicaClientFromURL(scheme, host, urlPath string, query url.Values, userinfo *url.Userinfo) (replicate.ReplicaClient, error) {
	if scheme != "" && scheme != ReplicaClientType {
		return nil, fmt.Errorf("s3 replica: url scheme %q, want %q", scheme, ReplicaClientType)
	}
	cfg, err := ConfigFromURL(host, urlPath, query, userinfo)
	if err != nil {
		return nil, fmt.Errorf("s3 replica: %w", err)
	}
	c := NewReplicaClient()
	c.fromURL = cfg
	c.Bucket, c.Path, c.Region, c.Endpoint = cfg.Bucket, cfg.Prefix, cfg.Region, cfg.Endpoint
	c.ForcePathStyle, c.SkipVerify = cfg.PathStyle == Yes, cfg.SkipVerify
	c.SignPayload, c.SignAcceptEncoding = cfg.SignPayload != No, cfg.SignAcceptEncoding != No
	c.RequireContentMD5, c.PutObjectContentMD5 = cfg.ContentMD5 != No, cfg.PutContentMD5
	c.PartSize, c.Concurrency, c.StorageClass = cfg.PartSize, cfg.Concurrency, cfg.StorageClass
	c.SSECustomerAlgorithm, c.SSECustomerKey = cfg.SSECustomerAlgorithm, cfg.SSECustomerKey
	c.SSECustomerKeyMD5, c.SSEKMSKeyID = cfg.SSECustomerKeyMD5, cfg.SSEKMSKeyID
	return c, nil
}

// SetLogger implements replicate.ReplicaClient.
func (c *ReplicaClient) SetLogger(logger *slog.Logger) {
	c.storeClient.SetLogger(logger)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logger = logger.WithGroup(ReplicaClientType)
	if c.store != nil {
		c.store.SetLogger(c.logger)
	}
}

// String describes the place, without secrets; so do GoString and MarshalJSON.
func (c *ReplicaClient) String() string { return c.config().String() }

// GoString implements fmt.GoStringer.
func (c *ReplicaClient) GoString() string { return fmt.Sprintf("s3.ReplicaClient(%q)", c.String()) }

// MarshalText implements encoding.TextMarshaler, and so JSON.
func (c *ReplicaClient) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c *ReplicaClient) open(ctx context.Context) (blob.Store, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg := c.config()
	cfg.Logger = c.logger
	store, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c.store = store
	return store, nil
}

func (c *ReplicaClient) config() Config {
	return Config{
		Bucket: c.Bucket, Prefix: c.Path, Region: c.Region, Endpoint: c.Endpoint,
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		PathStyle:          choice(c.ForcePathStyle, Yes, c.fromURL.PathStyle),
		SignPayload:        choice(!c.SignPayload, No, c.fromURL.SignPayload),
		SignAcceptEncoding: choice(!c.SignAcceptEncoding, No, c.fromURL.SignAcceptEncoding),
		ContentMD5:         choice(!c.RequireContentMD5, No, c.fromURL.ContentMD5),
		PutContentMD5:      c.PutObjectContentMD5,
		SkipVerify:         c.SkipVerify,
		PartSize:           c.PartSize, Concurrency: c.Concurrency, StorageClass: c.StorageClass,
		SSECustomerAlgorithm: c.SSECustomerAlgorithm, SSECustomerKey: c.SSECustomerKey,
		OnWait:            c.OnWait,
		SSECustomerKeyMD5: c.SSECustomerKeyMD5, SSEKMSKeyID: c.SSEKMSKeyID,
	}
}

// choice is what a bool field says if it was moved from its default, else what
// the URL says, unless that is what the field was moved back from.
func choice(moved bool, to, fromURL Choice) Choice {
	switch {
	case moved:
		return to
	case fromURL == to:
		return Auto
	}
	return fromURL
}
