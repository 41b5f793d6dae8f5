package sqldb

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/probe"
)

// Leaser is a lease in a database: the record Path/lock.json of a store. Its methods are
// those of lease.Leaser. The fields are read at each call, and must not change during
// one. NewLeaser makes one.
type Leaser struct {
	*lease.Leaser

	Path string // of the record, before "/lock.json"; may be empty

	TTL    time.Duration // asked for; at most MaxTTL
	MaxTTL time.Duration // honoured in others' records
	Owner  string        // this holder's name, for people

	// MaxSkew is waited for after an expiry before the lease is taken over. PostgreSQL tells
	// its time with each answer; on SQLite all holders are on one machine.
	MaxSkew time.Duration

	open func(context.Context) (cas.Store, error)
}

var _ replicate.Leaser = (*Leaser)(nil)

// NewLeaser returns a leaser with the default TTL, maximum and owner ("host:pid"). Kind is
// the engine's name; open opens its records, when the leaser is first used.
func NewLeaser(kind string, open func(context.Context) (cas.Store, error)) *Leaser {
	l := &Leaser{TTL: lease.DefaultTTL, MaxTTL: lease.DefaultMaxTTL, Owner: lease.DefaultOwner(), open: open}
	l.Leaser = lease.NewLeaser(kind, l.config, l.records)
	return l
}

func (l *Leaser) config() lease.Config {
	return lease.Config{
		Key: path.Join(l.Path, lease.DefaultFile), TTL: l.TTL, MaxTTL: l.MaxTTL, Owner: l.Owner, MaxSkew: l.MaxSkew,
	}
}

func (l *Leaser) records(ctx context.Context) (cas.Store, error) {
	if l.open == nil {
		return nil, errors.New("no records: make the leaser with NewLeaser")
	}
	return l.open(ctx)
}

// ProbeTarget is the records of the lease as package probe wants them. Each handle is opened
// anew if open does so.
func (l *Leaser) ProbeTarget() probe.Target { return probe.Target{Records: l.records} }
