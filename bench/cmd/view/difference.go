package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// difference measures a diff of the last state and of the one five deltas before, between which about
// one page in a hundred has changed, beside restores of both.
func (b *bench) difference(ctx context.Context) error {
	last := ltx.TXID(len(b.made.files))
	targets := [2]restore.Target{{TXID: max(1, last-5)}, {TXID: last}}
	for _, slow := range []bool{false, true} {
		name := "not slowed"
		b.proxy.Slow(0, 0)
		if slow {
			name = fmt.Sprintf("%v a request, %.0f MiB/s a connection", b.delay, mib(b.rate))
			b.proxy.Slow(b.delay, b.rate)
		}
		for range 3 {
			began := time.Now()
			opening, pages, err := b.compare(ctx, targets)
			if err != nil {
				return err
			}
			took, cost := time.Since(began), b.take()
			began = time.Now()
			for _, target := range targets {
				if err := b.restore(ctx, target); err != nil {
					return err
				}
			}
			both := time.Since(began)
			b.take()
			size := float64(len(b.made.sums)) * pageSize
			b.line("diff, "+name, "3 % of the bytes, 0.1 of both restores",
				"%d of %d pages changed: %.1f %% of the bytes, page indexes aside, and %d requests; %.2f: %v and %v",
				pages.Changed, pages.Total, 100*float64(cost.bytes)/size, cost.reads+cost.lists+opening.reads+opening.lists,
				took.Seconds()/both.Seconds(), took.Round(time.Millisecond), both.Round(time.Millisecond))
		}
	}
	return nil
}

// compare counts the rows that differ. What opening the views has cost is told apart.
func (b *bench) compare(ctx context.Context, targets [2]restore.Target) (opening cost, pages diff.Pages, err error) {
	var views [2]*view.View
	for i, target := range targets {
		if views[i], err = view.Open(ctx, b.client(b.proxy.URL), target, view.Options{}); err != nil {
			return opening, pages, err
		}
		defer views[i].Close()
	}
	opening = b.take()
	d, err := diff.Compare(ctx, views[0], views[1], diff.Options{})
	if err != nil {
		return opening, pages, err
	}
	defer d.Close()
	for _, t := range d.Tables {
		if _, err := d.Count(ctx, t); err != nil {
			return opening, pages, err
		}
	}
	return opening, d.Pages, nil
}

func (b *bench) restore(ctx context.Context, target restore.Target) error {
	path := filepath.Join(b.dir, "state.db")
	defer os.Remove(path)
	_, err := restore.File(ctx, b.client(b.proxy.URL), target, path, restore.FileOptions{})
	return err
}
