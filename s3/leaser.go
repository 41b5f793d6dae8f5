package s3

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
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

// Leaser is a lease in a bucket: the object Path/lock.json, which changes only by
// conditional PUTs; see Records for which stores can. Litestream's leaser may contend for
// the same object. NewLeaser makes one that can be used; calls of another return an error.
//
// The fields about the lease are read at each call, and must not change during one; those
// of Config when the leaser is first used. StorageClass must not be an archive's: the
// object is read all the time.
type Leaser struct {
	*lease.Leaser
	Config

	TTL    time.Duration // asked for; at most MaxTTL
	MaxTTL time.Duration // honoured in others' records
	Owner  string        // this holder's name, for people

	// MaxSkew is waited for after an expiry before the lease is taken over, by this
	// machine's clock and by the store's, which every answer tells. It is for what
	// remains of differences between clocks, a second or so; see docs/leases.md.
	MaxSkew time.Duration

	logger logger
}

var _ replicate.Leaser = (*Leaser)(nil)

// NewLeaser returns a leaser with the default TTL, maximum and owner ("host:pid").
// Bucket has to be set before it is used.
func NewLeaser() *Leaser {
	l := &Leaser{Config: NewConfig(), TTL: DefaultLeaseTTL, MaxTTL: DefaultLeaseMaxTTL, Owner: lease.DefaultOwner()}
	l.Leaser = lease.NewLeaser(LeaserType, l.lease, l.open)
	return l
}

// NewLeaserFromURL returns the leaser of the replica at an s3 URL, whose parts
// replicate.ParseURL gives; [ConfigFromURL] describes the grammar. The result is a
// *Leaser.
func NewLeaserFromURL(
	scheme, host, urlPath string, query url.Values, userinfo *url.Userinfo,
) (replicate.Leaser, error) {
	if scheme != "" && scheme != LeaserType {
		return nil, fmt.Errorf("s3 lease: url scheme %q, want %q", scheme, LeaserType)
	}
	cfg, err := ConfigFromURL(host, urlPath, query, userinfo)
	if err != nil {
		return nil, fmt.Errorf("s3 lease: %w", err)
	}
	l := NewLeaser()
	l.Config = cfg
	return l, nil
}

// Type implements replicate.Leaser.
func (l *Leaser) Type() string { return LeaserType }

// RenewLease implements replicate.Leaser. The ETag may have quotes, as those of
// Litestream's leaser do; the result's has none.
func (l *Leaser) RenewLease(ctx context.Context, lease *replicate.Lease) (*replicate.Lease, error) {
	return l.Leaser.RenewLease(ctx, unquoted(lease))
}

// ReleaseLease implements replicate.Leaser. The ETag is as for RenewLease.
func (l *Leaser) ReleaseLease(ctx context.Context, lease *replicate.Lease) error {
	return l.Leaser.ReleaseLease(ctx, unquoted(lease))
}

func unquoted(lease *replicate.Lease) *replicate.Lease {
	if lease == nil {
		return nil
	}
	l := *lease
	l.ETag = trimETag(&l.ETag)
	return &l
}

// SetLogger sets where the leaser reports what is not worth an error; nil is Config.Logger,
// or the default.
func (l *Leaser) SetLogger(logger *slog.Logger) {
	l.logger.set(logger)
	l.Leaser.SetLogger(cmp.Or(logger, l.Logger))
}

func (l *Leaser) lease() lease.Config {
	return lease.Config{TTL: l.TTL, MaxTTL: l.MaxTTL, Owner: l.Owner, MaxSkew: l.MaxSkew}
}

func (l *Leaser) open(ctx context.Context) (cas.Store, error) {
	if l.logger.Load() == nil {
		l.Leaser.SetLogger(l.Logger)
	}
	return openRecords(ctx, l.Config, &l.logger)
}
