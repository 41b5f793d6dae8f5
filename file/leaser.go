package file

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// LeaserType is the engine's name.
const LeaserType = ReplicaClientType

// The defaults of package replicate, under this engine's names.
const (
	DefaultLeaseTTL    = lease.DefaultTTL
	DefaultLeaseMaxTTL = lease.DefaultMaxTTL
	DefaultLeaseFile   = lease.DefaultFile
)

// The lease errors of package replicate, under this engine's names.
var (
	ErrLeaseNotHeld         = replicate.ErrLeaseNotHeld
	ErrLeaseRequired        = replicate.ErrLeaseRequired
	ErrLeaseETagRequired    = replicate.ErrLeaseETagRequired
	ErrLeaseAlreadyReleased = replicate.ErrLeaseAlreadyReleased
	ErrTTLExceedsMax        = replicate.ErrTTLExceedsMax
	ErrLeaseCorrupt         = replicate.ErrLeaseCorrupt
)

// Leaser is a lease in a directory: the file Dir/Path/lock.json, which changes only
// by compare-and-swap; see Records for how, and for which filesystems can. Its
// methods are those of lease.Leaser. The fields are read at each call, and
// must not change during one.
type Leaser struct {
	*lease.Leaser

	Dir  string // need not exist
	Path string // below Dir; may be empty

	TTL    time.Duration // asked for; at most MaxTTL
	MaxTTL time.Duration // honoured in others' records
	Owner  string        // this holder's name, for people

	// MaxSkew is waited for after an expiry before the lease is taken over. The
	// holder is usually on this machine, with the same clock; set it where the
	// directory is shared between machines.
	MaxSkew time.Duration
}

var _ replicate.Leaser = (*Leaser)(nil)

// NewLeaser returns the leaser of a directory, with the default TTL, maximum and
// owner ("host:pid").
func NewLeaser(dir string) *Leaser {
	l := &Leaser{Dir: dir, TTL: DefaultLeaseTTL, MaxTTL: DefaultLeaseMaxTTL, Owner: lease.DefaultOwner()}
	l.Leaser = lease.NewLeaser(LeaserType, l.config, l.open)
	return l
}

// NewLeaserFromURL returns the leaser of the replica at a file URL, whose parts
// replicate.ParseURL gives. The result is a *Leaser.
func NewLeaserFromURL(scheme, host, urlPath string, query url.Values, userinfo *url.Userinfo) (replicate.Leaser,
	error) {
	c, err := NewReplicaClientFromURL(scheme, host, urlPath, query, userinfo)
	if err != nil {
		return nil, err
	}
	return NewLeaser(c.(*ReplicaClient).Path()), nil
}

func (l *Leaser) config() lease.Config {
	return lease.Config{TTL: l.TTL, MaxTTL: l.MaxTTL, Owner: l.Owner, MaxSkew: l.MaxSkew}
}

func (l *Leaser) open(context.Context) (cas.Store, error) {
	switch {
	case l.Dir == "":
		return nil, errors.New("directory required")
	case l.Path != "" && !filepath.IsLocal(l.Path):
		return nil, fmt.Errorf("path %q leads out of the directory", l.Path)
	}
	return NewRecords(filepath.Join(l.Dir, l.Path), Options{}), nil
}
