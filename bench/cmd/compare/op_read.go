package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate"
)

const pageSize = 4096

func reads(s sizes) []operation {
	return []operation{
		{name: "read-large", setup: putLarge, open: func(ctx context.Context, p *place) (contest, error) {
			return reading(ctx, p.beside("large"), 0, 0)
		}},
		{name: "read-large-throttled", kind: kindS3, setup: putLarge, uncounted: true,
			open: func(ctx context.Context, p *place) (contest, error) {
				return reading(ctx, p.through(p.backend.throttled.URL).beside("large"), 0, 0)
			}},
		{name: "read-page", reps: s.Reps, setup: putLarge, open: func(ctx context.Context, p *place) (contest, error) {
			return reading(ctx, p.beside("large"), p.size.Large/2, pageSize)
		}},
	}
}

func putLarge(ctx context.Context, p *place) error {
	p = p.beside("large")
	return p.once(func() error { return p.put(ctx, p.key(1), 1, newContent(1, 1, p.size.Large)) })
}

// reading reads a part of the large file; size 0 is all of it.
func reading(ctx context.Context, p *place, offset, size int64) (contest, error) {
	want := size
	if size == 0 {
		want = p.size.Large
	}
	of := func(open func(context.Context) (io.ReadCloser, error)) side {
		return timed(func(ctx context.Context) error {
			rc, err := open(ctx)
			if err != nil {
				return err
			}
			got, err := drain(rc)
			if err := errors.Join(err, rc.Close()); err != nil || got != want {
				return fmt.Errorf("%d bytes, want %d: %w", got, want, err)
			}
			return nil
		})
	}
	c, err := sides(ctx, p, p, func(_ *place, c replicate.ReplicaClient) side {
		return of(func(ctx context.Context) (io.ReadCloser, error) { return c.OpenLTXFile(ctx, 0, 1, 1, offset, size) })
	})
	c.floor = of(p.floorOpen(offset, want))
	return c, err
}

func (p *place) floorOpen(offset, size int64) func(context.Context) (io.ReadCloser, error) {
	key := p.key(1)
	if p.backend.kind == kindFile {
		return func(context.Context) (io.ReadCloser, error) {
			f, err := os.Open(key)
			if err != nil {
				return nil, err
			}
			return section{io.NewSectionReader(f, offset, size), f}, nil
		}
	}
	return func(ctx context.Context) (io.ReadCloser, error) {
		span := aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+size-1))
		out, err := p.api.GetObject(ctx, &awss3.GetObjectInput{Bucket: &p.backend.bucket.name, Key: &key, Range: span})
		if err != nil {
			return nil, err
		}
		return out.Body, nil
	}
}

type section struct {
	*io.SectionReader
	io.Closer
}
