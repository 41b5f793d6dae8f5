package main

import (
	"context"
	"io"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/ltx"
)

func writes(s sizes) []operation {
	whole := func(c content) io.Reader { return c }
	return []operation{
		{name: "write-small", reps: s.Reps, open: writing(func(s sizes) int64 { return s.Small }, whole)},
		{name: "write-large", open: writing(func(s sizes) int64 { return s.Large }, whole)},
		{name: "write-large-streamed", open: writing(func(s sizes) int64 { return s.Large }, content.stream)},
	}
}

// writing writes one new file of level 0, of a size, as seen through a view.
func writing(size func(sizes) int64, view func(content) io.Reader) func(context.Context, *place) (contest, error) {
	return func(ctx context.Context, p *place) (contest, error) {
		c, err := p.apart(ctx, func(p *place, c replicate.ReplicaClient) side {
			return p.writer(size(p.size), func(ctx context.Context, txid ltx.TXID, data content) error {
				_, err := c.WriteLTXFile(ctx, 0, txid, txid, view(data))
				return err
			})
		})
		if err != nil {
			return c, err
		}
		p = p.at(floorName)
		write, err := p.floorWrite(ctx)
		c.floor = p.writer(size(p.size), write)
		return c, err
	}
}

// writer is a side that writes the next transaction. A large file is removed
// again.
func (p *place) writer(size int64, write func(ctx context.Context, txid ltx.TXID, data content) error) side {
	txid := ltx.TXID(0)
	return func(ctx context.Context, w *watch) error {
		txid++
		data := newContent(txid, txid, size)
		w.Start()
		err := write(ctx, txid, data)
		w.Stop()
		if err != nil || size <= p.size.Small {
			return err
		}
		return p.remove(ctx, p.key(txid))
	}
}

// floorWrite writes without a client, as durably.
func (p *place) floorWrite(ctx context.Context) (func(ctx context.Context, txid ltx.TXID, data content) error, error) {
	if p.backend.kind == kindFile {
		err := p.put(ctx, p.key(1), 1, newContent(1, 1, p.size.Small)) // makes the directory
		return func(_ context.Context, txid ltx.TXID, data content) error {
			return replaceFile(p.key(txid), data)
		}, err
	}
	return func(ctx context.Context, txid ltx.TXID, data content) error {
		return p.putObject(ctx, p.key(txid), txid, data)
	}, nil
}
