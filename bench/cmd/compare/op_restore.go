package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/benbjohnson/litestream"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/restore"
)

func restores() []operation {
	return []operation{restoring("restore-ltx", makeLTX), restoring("restore-v3", makeV3)}
}

// restoring restores a database to the local disk, from a replica that is made
// once and copied to each backend.
func restoring(name string, fill func(ctx context.Context, replica string, db *database) error) operation {
	return operation{
		name: name,
		setup: func(ctx context.Context, p *place) error {
			replica, err := made(p.backend.local, name, func(dir string) error {
				return fromDatabase(ctx, dir, p.size.Restore, func(db *database) error { return fill(ctx, dir, db) })
			})
			if err != nil {
				return err
			}
			p = p.beside(name)
			return p.once(func() error { return p.upload(ctx, replica) })
		},
		open: func(ctx context.Context, p *place) (contest, error) { return p.beside(name).restorers(ctx) },
	}
}

// upload copies a replica from a directory to where a backend would have it.
func (p *place) upload(ctx context.Context, dir string) error {
	return eachFile(dir, func(name string) error {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		defer f.Close()
		key, last := name, ltx.TXID(1)
		if _, level, minTXID, maxTXID, err := ltx.ParseKey(name); err == nil {
			key, last = p.layout().Key(level, minTXID, maxTXID), maxTXID
		}
		return p.put(ctx, path.Join(p.root, key), last, f)
	})
}

func (p *place) restorers(ctx context.Context) (contest, error) {
	ours, err1 := ourRestore(ctx, p)
	theirs, err2 := theirRestore(ctx, p)
	return contest{ours: p.restorer(ours), theirs: p.restorer(theirs), floor: p.restorer(p.floorRestore)}, errors.Join(err1, err2)
}

func ourRestore(ctx context.Context, p *place) (func(ctx context.Context, to string) error, error) {
	c, err := p.ours(ctx)
	return func(ctx context.Context, to string) error {
		_, err := restore.File(ctx, c, restore.Target{}, to, restore.FileOptions{})
		return err
	}, err
}

// theirRestore is what "litestream restore" calls.
func theirRestore(ctx context.Context, p *place) (func(ctx context.Context, to string) error, error) {
	c, err := p.theirs(ctx)
	return func(ctx context.Context, to string) error {
		opts := litestream.NewRestoreOptions()
		opts.OutputPath = to
		return litestream.NewReplicaWithClient(nil, c).Restore(ctx, opts)
	}, err
}

// floorRestore writes as much.
func (p *place) floorRestore(_ context.Context, to string) error {
	return replaceFile(to, newContent(1, 1, p.size.Restore))
}

// restorer is a side that restores to a new file, which it removes. At least nine
// tenths of the size must be there.
func (p *place) restorer(restore func(ctx context.Context, to string) error) side {
	return func(ctx context.Context, w *watch) error {
		to := filepath.Join(p.backend.local, "restored")
		w.Start()
		err := restore(ctx, to)
		w.Stop()
		if err != nil {
			return err
		}
		fi, err := os.Stat(to)
		if err == nil && fi.Size() < p.size.Restore/10*9 {
			err = fmt.Errorf("restored %d bytes of %d", fi.Size(), p.size.Restore)
		}
		return errors.Join(err, os.Remove(to))
	}
}
