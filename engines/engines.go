// Package engines maps the URL of a place to the engine that works there. It links every
// engine with all that they need; a program that knows its engine imports that one alone.
//
//	file:///var/backups/db, or a path     a directory: package file
//	s3://bucket/path?endpoint=...         a bucket of S3 or of a store like it: package s3
//	postgres://user@host/database         records and leases alone: package postgres
//	sqlite:///var/lib/app/state.db        the same, in a file of SQLite: package sqldb
//	raft://h1:7420,h2:7420,h3:7420/prefix the same, on nodes that agree by Raft: package raft
//
// The databases take ?prefix=, what the names of the tables begin with.
// [replicate.ParseURL] has the grammar of URLs, and each engine that of its parameters.
package engines

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/postgres"
	"github.com/replctl/replicate/probe"
	"github.com/replctl/replicate/raft"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/s3"
)

// ErrScheme: no engine has the scheme of a URL.
var ErrScheme = errors.New("is not supported")

// Client is what the clients of all engines have.
type Client interface {
	replicate.ReplicaClient
	replicate.ReplicaClientV3
	replica.Source
}

// LeaseClient is what the leasers of all engines have.
type LeaseClient interface {
	replicate.Leaser
	Records(ctx context.Context) (cas.Store, error)
	ReadLease(ctx context.Context) (*replicate.Lease, lease.State, error)
	BreakLease(ctx context.Context, opts lease.BreakOptions) (*replicate.Lease, error)
	WithdrawLease(ctx context.Context) error
	LeaseTTL() time.Duration
	Observe(notify func(lease.Event)) (stop func())
	SetLogger(logger *slog.Logger)
	ProbeTarget() probe.Target
}

// Replica returns a client of the replica at a URL, opened: a place that cannot be reached
// is an error. A place without a replica is none; a write begins one there.
func Replica(ctx context.Context, rawURL string) (Client, error) {
	p, err := Parse(rawURL)
	if err != nil {
		return nil, err
	}
	c, err := p.Replica(Options{})
	if err != nil {
		return nil, err
	}
	return c, c.Init(ctx)
}

// Leaser returns a leaser of the lease of the replica at a URL, with the default TTL. It has
// looked at the lease once: a place that cannot be reached is an error.
func Leaser(ctx context.Context, rawURL string) (LeaseClient, error) {
	p, err := Parse(rawURL)
	if err != nil {
		return nil, err
	}
	l, err := p.Leaser(Options{})
	if err != nil {
		return nil, err
	}
	if _, _, err := l.ReadLease(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// Records returns the records at a URL, for the packages below store/. Those in a database
// keep connections, which end with the process, or with Close if they have it.
func Records(ctx context.Context, rawURL string) (cas.Store, error) {
	p, err := Parse(rawURL)
	if err != nil {
		return nil, err
	}
	l, err := p.Leaser(Options{})
	if err != nil {
		return nil, err
	}
	return l.Records(ctx)
}

// Options are choices about clients; the zero value has the defaults of every engine.
type Options struct {
	Logger     *slog.Logger
	OnWait     func(s3.Wait) // told of a request that is waited for; of engines over a network
	CreateOnly bool          // of a replica client: it never replaces a file

	// The lease, of a leaser.
	Owner   string        // host:pid if empty
	MaxTTL  time.Duration // 30 s if zero
	TTL     time.Duration // 30 s, or MaxTTL if that is less, if zero
	MaxSkew time.Duration // waited for after an expiry, beyond what is known of clocks
}

// Place is the place that a URL names. Its fields may be changed before it is used.
type Place struct {
	Scheme, Host, Path string
	Query              url.Values // the parameters of the engine
	Userinfo           *url.Userinfo
}

// engine makes the clients of one engine.
type engine struct {
	replica func(p Place, opts Options) (Client, error)
	leaser  func(p Place, opts Options) (LeaseClient, error)
}

// table is the one table of engines, by the scheme of their URLs.
var table = map[string]engine{
	file.ReplicaClientType: {fileReplica, fileLeaser},
	s3.ReplicaClientType:   {s3Replica, s3Leaser},
	postgres.LeaserType:    {noReplica, postgresLeaser},
	"postgresql":           {noReplica, postgresLeaser}, // libpq takes both
	SQLiteType:             {noReplica, sqliteLeaser},
	raft.LeaserType:        {noReplica, raftLeaser},
}

// Parse takes a URL apart. It contacts nothing.
func Parse(rawURL string) (Place, error) {
	scheme, host, urlPath, query, userinfo, err := replicate.ParseURL(rawURL)
	if err != nil {
		return Place{}, err
	}
	if _, ok := table[scheme]; !ok {
		return Place{}, fmt.Errorf("url scheme %q %w", scheme, ErrScheme)
	}
	return Place{Scheme: scheme, Host: host, Path: urlPath, Query: query, Userinfo: userinfo}, nil
}

func (p Place) engine() (engine, error) {
	e, ok := table[p.Scheme]
	if !ok {
		return e, fmt.Errorf("url scheme %q %w", p.Scheme, ErrScheme)
	}
	return e, nil
}

// Replica returns a client of the replica there, which is not contacted yet.
func (p Place) Replica(opts Options) (Client, error) {
	e, err := p.engine()
	if err != nil {
		return nil, err
	}
	c, err := e.replica(p, opts)
	if err != nil {
		return nil, err
	}
	c.SetLogger(opts.Logger)
	return c, nil
}

// Leaser returns a leaser of the lease there, which is not contacted yet.
func (p Place) Leaser(opts Options) (LeaseClient, error) {
	e, err := p.engine()
	if err != nil {
		return nil, err
	}
	l, err := e.leaser(p, opts)
	if err != nil {
		return nil, err
	}
	l.SetLogger(opts.Logger)
	return l, nil
}

func fileReplica(p Place, opts Options) (Client, error) {
	c, err := file.NewReplicaClientFromURL(p.Scheme, p.Host, p.Path, p.Query, p.Userinfo)
	if err != nil {
		return nil, err
	}
	client := c.(*file.ReplicaClient)
	client.CreateOnly = opts.CreateOnly
	return client, nil
}

func fileLeaser(p Place, opts Options) (LeaseClient, error) {
	l, err := file.NewLeaserFromURL(p.Scheme, p.Host, p.Path, p.Query, p.Userinfo)
	if err != nil {
		return nil, err
	}
	leaser := l.(*file.Leaser)
	opts.set(&leaser.Owner, &leaser.TTL, &leaser.MaxTTL, &leaser.MaxSkew)
	return leaser, nil
}

func s3Replica(p Place, opts Options) (Client, error) {
	c, err := s3.NewReplicaClientFromURL(p.Scheme, p.Host, p.Path, p.Query, p.Userinfo)
	if err != nil {
		return nil, err
	}
	client := c.(*s3.ReplicaClient)
	client.CreateOnly, client.OnWait = opts.CreateOnly, opts.OnWait
	return client, nil
}

func s3Leaser(p Place, opts Options) (LeaseClient, error) {
	l, err := s3.NewLeaserFromURL(p.Scheme, p.Host, p.Path, p.Query, p.Userinfo)
	if err != nil {
		return nil, err
	}
	leaser := l.(*s3.Leaser)
	opts.set(&leaser.Owner, &leaser.TTL, &leaser.MaxTTL, &leaser.MaxSkew)
	leaser.OnWait = opts.OnWait
	return leaser, nil
}

// set changes the settings that were chosen.
func (o Options) set(owner *string, ttl, maxTTL, maxSkew *time.Duration) {
	*owner = cmp.Or(o.Owner, *owner)
	*maxTTL = cmp.Or(o.MaxTTL, *maxTTL)
	*ttl = cmp.Or(o.TTL, min(*ttl, *maxTTL))
	*maxSkew = cmp.Or(o.MaxSkew, *maxSkew)
}
