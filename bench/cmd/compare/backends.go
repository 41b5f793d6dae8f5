package main

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
)

// A source is a backend that is not open yet.
type source struct {
	name string
	kind kind
	open func(ctx context.Context) (*backend, error)
}

// backends are the directory, gofakes3, and the servers that were given.
func (o options) backends(dir string) []source {
	sources := []source{
		{"file", kindFile, func(context.Context) (*backend, error) { return newDirectory(filepath.Join(dir, "file"), dir), nil }},
		{"gofakes3", kindS3, func(ctx context.Context) (*backend, error) { return o.openFake(ctx, dir) }},
	}
	for _, s := range o.endpoints {
		name, endpoint, _ := strings.Cut(s, "=")
		sources = append(sources, source{name, kindS3, func(ctx context.Context) (*backend, error) {
			b, err := openBucket(ctx, endpoint, o.bucket, environment(), o.size.Throttle)
			return inBucket(name, b, dir), err
		}})
	}
	return sources
}

func (o options) openFake(ctx context.Context, dir string) (*backend, error) {
	endpoint, stop, err := startFake(ctx)
	if err != nil {
		return nil, err
	}
	b, err := openBucket(ctx, endpoint, "", access{"compare", "compare-secret"}, o.size.Throttle)
	if err != nil {
		stop()
		return nil, err
	}
	b.stop = stop
	return inBucket("gofakes3", b, dir), nil
}

// inBucket is a backend below a prefix that nobody else has.
func inBucket(name string, b *bucket, local string) *backend {
	base := "compare/" + strings.ToLower(rand.Text())
	return &backend{name: name, kind: kindS3, base: base, local: local, bucket: b, made: make(map[string]bool)}
}
