package s3

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// LeaserType is the engine's name.
const LeaserType = ReplicaClientType

// The defaults of package replicate, under this engine's names. The lease errors
// are beside ReplicaClient.
const (
	DefaultLeaseTTL    = lease.DefaultTTL
	DefaultLeaseMaxTTL = lease.DefaultMaxTTL
	DefaultLeaseFile   = lease.DefaultFile
)

type storeLeaser = lease.Leaser

// Leaser is a lease in a bucket: the object Path/lock.json, which changes only by
// conditional PUTs; see Records for which stores can. Litestream's leaser may
// contend for the same object. Its methods are those of lease.Leaser,
// its fields those of ReplicaClient as far as they concern a small object.
//
// The fields about the lease are read at each call, and must not change during
// one; those about the store when the leaser is first used.
type Leaser struct {
	*storeLeaser

	Bucket string
	Path   string // the replica's root in the bucket

	TTL    time.Duration // asked for; at most MaxTTL
	MaxTTL time.Duration // honoured in others' records
	Owner  string        // this holder's name, for people

	// MaxSkew is waited for after an expiry before the lease is taken over, by this
	// machine's clock and by the store's, which every answer tells. It is for what
	// remains of differences between clocks, a second or so; see docs/leases.md.
	MaxSkew time.Duration

	Region         string // see Config
	Endpoint       string // see Config
	ForcePathStyle bool   // false leaves it to what is known of the endpoint
	SkipVerify     bool

	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string

	// True, as NewLeaser sets them, leaves these to what is known of the endpoint.
	SignPayload        bool
	SignAcceptEncoding bool

	StorageClass string // not an archive's: the object is read all the time

	SSECustomerAlgorithm string
	SSECustomerKey       string
	SSECustomerKeyMD5    string
	SSEKMSKeyID          string

	OnWait func(Wait) // see Config

	fromURL Config // the choices of a URL that the fields above cannot hold

	mu      sync.Mutex
	records *Records // nil until it is open
	logger  *slog.Logger
}

var _ replicate.Leaser = (*Leaser)(nil)

// NewLeaser returns a leaser with the default TTL, maximum and owner ("host:pid").
// Bucket has to be set before it is used.
func NewLeaser() *Leaser {
	l := &Leaser{
		TTL: DefaultLeaseTTL, MaxTTL: DefaultLeaseMaxTTL, Owner: lease.DefaultOwner(),
		SignPayload: true, SignAcceptEncoding: true,
	}
	l.storeLeaser = lease.NewLeaser(LeaserType, l.lease, l.open)
	return l
}

// NewLeaserFromURL returns the leaser of the replica at an s3 URL, whose parts
// replicate.ParseURL gives; [ConfigFromURL] describes the grammar. The result is a
// *Leaser.
func NewLeaserFromURL(scheme, host, urlPath string, query url.Values, userinfo *url.Userinfo) (replicate.Leaser, error) {
	if scheme != "" && scheme != LeaserType {
		return nil, fmt.Errorf("s3 lease: url scheme %q, want %q", scheme, LeaserType)
	}
	cfg, err := ConfigFromURL(host, urlPath, query, userinfo)
	if err != nil {
		return nil, fmt.Errorf("s3 lease: %w", err)
	}
	l := NewLeaser()
	l.fromURL = cfg
	l.Bucket, l.Path, l.Region, l.Endpoint = cfg.Bucket, cfg.Prefix, cfg.Region, cfg.Endpoint
	l.ForcePathStyle, l.SkipVerify = cfg.PathStyle == Yes, cfg.SkipVerify
	l.SignPayload, l.SignAcceptEncoding = cfg.SignPayload != No, cfg.SignAcceptEncoding != No
	l.StorageClass = cfg.StorageClass
	l.SSECustomerAlgorithm, l.SSECustomerKey = cfg.SSECustomerAlgorithm, cfg.SSECustomerKey
	l.SSECustomerKeyMD5, l.SSEKMSKeyID = cfg.SSECustomerKeyMD5, cfg.SSEKMSKeyID
	return l, nil
}

// RenewLease implements replicate.Leaser. The ETag may have quotes, as those of
// Litestream's leaser do; the result's has none.
func (l *Leaser) RenewLease(ctx context.Context, lease *replicate.Lease) (*replicate.Lease, error) {
	return l.storeLeaser.RenewLease(ctx, unquoted(lease))
}

// ReleaseLease implements replicate.Leaser. The ETag is as for RenewLease.
func (l *Leaser) ReleaseLease(ctx context.Context, lease *replicate.Lease) error {
	return l.storeLeaser.ReleaseLease(ctx, unquoted(lease))
}

func unquoted(lease *replicate.Lease) *replicate.Lease {
	if lease == nil {
		return nil
	}
	l := *lease
	l.ETag = trimETag(&l.ETag)
	return &l
}

// SetLogger sets where the leaser reports what is not worth an error.
func (l *Leaser) SetLogger(logger *slog.Logger) {
	l.storeLeaser.SetLogger(logger)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.logger = logger.WithGroup(LeaserType)
	if l.records != nil {
		l.records.s.SetLogger(l.logger)
	}
}

// String describes the place, without secrets; so do GoString and MarshalJSON.
func (l *Leaser) String() string { return l.config().String() }

// GoString implements fmt.GoStringer.
func (l *Leaser) GoString() string { return fmt.Sprintf("s3.Leaser(%q)", l.String()) }

// MarshalText implements encoding.TextMarshaler, and so JSON.
func (l *Leaser) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l *Leaser) lease() lease.Config {
	return lease.Config{TTL: l.TTL, MaxTTL: l.MaxTTL, Owner: l.Owner, MaxSkew: l.MaxSkew}
}

func (l *Leaser) open(ctx context.Context) (cas.Store, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cfg := l.config()
	cfg.Logger = l.logger
	records, err := OpenRecords(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l.records = records
	return records, nil
}

func (l *Leaser) config() Config {
	return Config{
		Bucket: l.Bucket, Prefix: l.Path, Region: l.Region, Endpoint: l.Endpoint,
		AccessKeyID: l.AccessKeyID, SecretAccessKey: l.SecretAccessKey, SessionToken: l.SessionToken,
		PathStyle:          choice(l.ForcePathStyle, Yes, l.fromURL.PathStyle),
		SignPayload:        choice(!l.SignPayload, No, l.fromURL.SignPayload),
		SignAcceptEncoding: choice(!l.SignAcceptEncoding, No, l.fromURL.SignAcceptEncoding),
		PutContentMD5:      l.fromURL.PutContentMD5,
		SkipVerify:         l.SkipVerify,
		StorageClass:       l.StorageClass,

		SSECustomerAlgorithm: l.SSECustomerAlgorithm, SSECustomerKey: l.SSECustomerKey,
		OnWait:            l.OnWait,
		SSECustomerKeyMD5: l.SSECustomerKeyMD5, SSEKMSKeyID: l.SSEKMSKeyID,
	}
}
