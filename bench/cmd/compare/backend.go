package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"

	"github.com/benbjohnson/litestream"
	lsfile "github.com/benbjohnson/litestream/file"
	lss3 "github.com/benbjohnson/litestream/s3"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/s3"
)

type kind int

const (
	kindFile kind = iota + 1
	kindS3
)

// backend is a place for replicas: a directory, or a bucket of a server.
type backend struct {
	name  string
	kind  kind
	base  string // directory, or prefix in the bucket, that all is below
	local string // a directory for what is not on the backend itself
	*bucket
	made map[string]bool // what setup is done for, by root
}

func newDirectory(dir, local string) *backend {
	return &backend{name: "file", kind: kindFile, base: dir, local: local, made: make(map[string]bool)}
}

// place is where one operation works: a part of a backend, and the way there.
type place struct {
	backend  *backend
	root     string
	endpoint string // of S3; the server, or a proxy before it
	size     sizes
}

func (b *backend) place(name string, size sizes) *place {
	p := &place{backend: b, root: path.Join(b.base, name), size: size}
	if b.bucket != nil {
		p.endpoint = b.endpoint
	}
	return p
}

// at is a place below p.
func (p place) at(name string) *place {
	p.root = path.Join(p.root, name)
	return &p
}

// beside is a place that operations share: with one more name, but not below p.
func (p place) beside(name string) *place {
	p.root = path.Join(p.backend.base, name)
	return &p
}

// through is p reached by another endpoint.
func (p place) through(endpoint string) *place {
	p.endpoint = endpoint
	return &p
}

// once runs fn the first time that it is called for this place.
func (p *place) once(fn func() error) error {
	if p.backend.made[p.root] {
		return nil
	}
	if err := fn(); err != nil {
		return err
	}
	p.backend.made[p.root] = true
	return nil
}

// key is where a file of level 0 is, of one transaction: a path or the name of an
// object.
func (p *place) key(txid ltx.TXID) string {
	return path.Join(p.root, p.layout().Key(0, txid, txid))
}

func (p *place) layout() ltx.Layout {
	if p.backend.kind == kindS3 {
		return ltx.LayoutS3
	}
	return ltx.LayoutFile
}

// put stores a file of the setup, without a client.
func (p *place) put(ctx context.Context, key string, txid ltx.TXID, body io.ReadSeeker) error {
	if p.backend.kind == kindS3 {
		return p.backend.put(ctx, key, txid, body)
	}
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		return err
	}
	f, err := os.Create(key)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	at := timeOf(txid)
	return errors.Join(err, f.Close(), os.Chtimes(key, at, at))
}

// ourClient is what both engines' clients of ours are.
type ourClient interface {
	replicate.ReplicaClient
	replicate.ReplicaClientV3
	replica.Source
}

// theirClient is what Litestream's are.
type theirClient interface {
	litestream.ReplicaClient
	litestream.ReplicaClientV3
}

// ours is our client of the replica at p, initialized.
func (p *place) ours(ctx context.Context) (ourClient, error) {
	var c ourClient = file.NewReplicaClient(p.root)
	if p.backend.kind == kindS3 {
		c = p.oursS3()
	}
	c.SetLogger(silent)
	return c, c.Init(ctx)
}

func (p *place) oursS3() *s3.ReplicaClient {
	c, b := s3.NewReplicaClient(), p.backend
	c.Bucket, c.Path, c.Endpoint, c.Region, c.ForcePathStyle = b.bucket.name, p.root, p.endpoint, region, true
	c.AccessKeyID, c.SecretAccessKey = b.accessKey, b.secretKey
	return c
}

// theirs is Litestream's.
func (p *place) theirs(ctx context.Context) (theirClient, error) {
	var c theirClient = lsfile.NewReplicaClient(p.root)
	if p.backend.kind == kindS3 {
		c = p.theirsS3()
	}
	c.SetLogger(silent)
	return c, c.Init(ctx)
}

func (p *place) theirsS3() *lss3.ReplicaClient {
	c, b := lss3.NewReplicaClient(), p.backend
	c.Bucket, c.Path, c.Endpoint, c.Region, c.ForcePathStyle = b.bucket.name, p.root, p.endpoint, region, true
	c.AccessKeyID, c.SecretAccessKey = b.accessKey, b.secretKey
	return c
}

var silent = slog.New(slog.DiscardHandler)

// both makes a side of each client on the same files.
func (p *place) both(ctx context.Context, work func(c replicate.ReplicaClient) side) (contest, error) {
	ours, err1 := p.ours(ctx)
	theirs, err2 := p.theirs(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return contest{}, err
	}
	return contest{ours: work(ours), theirs: work(theirs)}, nil
}

// apart makes a side of each client on a replica of its own.
func (p *place) apart(ctx context.Context, work func(p *place, c replicate.ReplicaClient) side) (contest, error) {
	ours, err1 := p.at(oursName).ours(ctx)
	theirs, err2 := p.at(theirsName).theirs(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return contest{}, err
	}
	return contest{ours: work(p.at(oursName), ours), theirs: work(p.at(theirsName), theirs)}, nil
}

// close removes what the run has made.
func (b *backend) close(ctx context.Context) error {
	if b.kind == kindFile {
		return os.RemoveAll(b.base)
	}
	if err := b.clear(ctx, b.base+"/"); err != nil {
		return fmt.Errorf("%s: clean up: %w", b.name, err)
	}
	return b.bucket.close(ctx)
}
