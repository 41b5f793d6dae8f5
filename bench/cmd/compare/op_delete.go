package main

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/ltx"
)

func deletes() []operation {
	return []operation{{name: "delete", open: func(ctx context.Context, p *place) (contest, error) {
		c, err := p.apart(ctx, func(p *place, c replicate.ReplicaClient) side {
			return p.deleter(c.DeleteLTXFiles)
		})
		p = p.at(floorName)
		c.floor = p.deleter(p.floorDelete())
		return c, err
	}}}
}

// deleter makes files and deletes them; the deletion counts.
func (p *place) deleter(remove func(context.Context, []*ltx.FileInfo) error) side {
	var infos []*ltx.FileInfo
	for i := range p.size.Deletes {
		infos = append(infos, &ltx.FileInfo{MinTXID: ltx.TXID(i + 1), MaxTXID: ltx.TXID(i + 1)})
	}
	return func(ctx context.Context, w *watch) error {
		if err := parallel(len(infos), func(i int) error {
			txid := infos[i].MinTXID
			return p.put(ctx, p.key(txid), txid, newContent(txid, txid, 200))
		}); err != nil {
			return err
		}
		w.Start()
		defer w.Stop()
		return remove(ctx, infos)
	}
}

// floorDelete unlinks and syncs the directory, or asks for all at once, a thousand
// in each request.
func (p *place) floorDelete() func(context.Context, []*ltx.FileInfo) error {
	if p.backend.kind == kindFile {
		return func(_ context.Context, infos []*ltx.FileInfo) error {
			var errs []error
			for _, info := range infos {
				errs = append(errs, os.Remove(p.key(info.MinTXID)))
			}
			return errors.Join(append(errs, syncDir(path.Dir(p.key(1))))...)
		}
	}
	return func(ctx context.Context, infos []*ltx.FileInfo) error {
		requests := slices.Collect(slices.Chunk(infos, batch))
		return parallel(len(requests), func(i int) error {
			var keys []string
			for _, info := range requests[i] {
				keys = append(keys, p.key(info.MinTXID))
			}
			return deleteObjects(ctx, p.api, p.backend.bucket.name, keys)
		})
	}
}

// remove deletes a file of the setup.
func (p *place) remove(ctx context.Context, key string) error {
	if p.backend.kind == kindFile {
		return os.Remove(key)
	}
	return deleteObjects(ctx, p.api, p.backend.bucket.name, []string{key})
}
