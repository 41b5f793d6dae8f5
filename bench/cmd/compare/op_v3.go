package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
)

// generation is the one of the v0.3.x backup.
const generation = "0123456789abcdef"

func backups() []operation {
	return []operation{{name: "v3-list", setup: fillSegments, open: openSegments}}
}

func (p *place) wal() string { return path.Join(p.root, "generations", generation, "wal") }

// fillSegments makes WAL files of ten segments each. They are not read.
func fillSegments(ctx context.Context, p *place) error {
	p = p.beside("segments")
	return p.once(func() error {
		return parallel(p.size.Segments, func(i int) error {
			name := fmt.Sprintf("%08x_%08x.wal.lz4", i/10, i%10*4152)
			return p.put(ctx, path.Join(p.wal(), name), 1, bytes.NewReader(record))
		})
	})
}

func openSegments(ctx context.Context, p *place) (contest, error) {
	p = p.beside("segments")
	ours, err1 := p.ours(ctx)
	theirs, err2 := p.theirs(ctx)
	c := contest{
		ours: timed(func(ctx context.Context) error {
			got, err := ours.WALSegmentsV3(ctx, generation)
			return p.wantSegments(len(got), err)
		}),
		theirs: timed(func(ctx context.Context) error {
			got, err := theirs.WALSegmentsV3(ctx, generation)
			return p.wantSegments(len(got), err)
		}),
		floor: timed(p.floorSegments()),
	}
	return c, errors.Join(err1, err2)
}

func (p *place) wantSegments(got int, err error) error {
	if err == nil && got != p.size.Segments {
		err = fmt.Errorf("%d segments, want %d", got, p.size.Segments)
	}
	return err
}

func (p *place) floorSegments() func(context.Context) error {
	if p.backend.kind == kindFile {
		return func(context.Context) error {
			names, err := readDir(p.wal())
			return errors.Join(p.wantSegments(len(names), err), statAll(p.wal(), names))
		}
	}
	return func(ctx context.Context) error {
		keys, err := p.listObjects(ctx, p.wal()+"/", "", p.size.Segments)
		return p.wantSegments(len(keys), err)
	}
}
