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

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
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
	api      *awss3.Client
	size     sizes
}

func (b *backend) place(name string, size sizes) *place {
	p := &place{backend: b, root: path.Join(b.base, name), size: size}
	if b.bucket != nil {
		p.endpoint, p.api = b.endpoint, b.api
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
	p.endpoint, p.api = endpoint, p.backend.client(endpoint)
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
		return p.putObject(ctx, key, txid, body)
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
		client := s3.NewReplicaClient()
		client.Config = p.config()
		c = client
	}
	c.SetLogger(silent)
	return c, c.Init(ctx)
}

// config is where our clients and leasers find a bucket.
func (p *place) config() s3.Config {
	c, b := s3.NewConfig(), p.backend
	c.Bucket, c.Path, c.Endpoint, c.Region, c.ForcePathStyle = b.bucket.name, p.root, p.endpoint, region, true
	c.AccessKeyID, c.SecretAccessKey = b.accessKey, b.secretKey
	return c
}

// theirs is Litestream's.
func (p *place) theirs(ctx context.Context) (theirClient, error) {
	var c theirClient = lsfile.NewReplicaClient(p.root)
	if p.backend.kind == kindS3 {
		client, b := lss3.NewReplicaClient(), p.backend
		client.Bucket, client.Path, client.Endpoint, client.Region = b.bucket.name, p.root, p.endpoint, region
		client.ForcePathStyle, client.AccessKeyID, client.SecretAccessKey = true, b.accessKey, b.secretKey
		c = client
	}
	c.SetLogger(silent)
	return c, c.Init(ctx)
}

var silent = slog.New(slog.DiscardHandler)

// sides makes a side of our client at one place, and of Litestream's at another.
func sides(ctx context.Context, our, their *place, work func(*place, replicate.ReplicaClient) side) (contest, error) {
	ours, err1 := our.ours(ctx)
	theirs, err2 := their.theirs(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return contest{}, err
	}
	return contest{ours: work(our, ours), theirs: work(their, theirs)}, nil
}

// apart are sides on replicas of their own.
func (p *place) apart(ctx context.Context, work func(*place, replicate.ReplicaClient) side) (contest, error) {
	return sides(ctx, p.at(oursName), p.at(theirsName), work)
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
