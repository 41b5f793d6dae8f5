package main

import (
	"context"
	"fmt"
	"path"
	"slices"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/ltx"
)

// listed is how many files there are to list.
func (p *place) listed() int {
	if p.backend.kind == kindS3 {
		return p.size.ListS3
	}
	return p.size.ListFile
}

// last is how many of them "list-last-ten" wants.
const last = 10

func lists() []operation {
	return []operation{
		listing("list-full", func(n int) query { return query{want: n, all: true} }),
		listing("list-first", func(int) query { return query{want: 1} }),
		listing("list-last-ten", func(n int) query { return query{seek: ltx.TXID(n - last + 1), want: last, all: true} }),
		listing("list-true-times", func(n int) query { return query{want: n, all: true, trueTimes: true} }),
	}
}

// query is a listing that is ended after want files, or that must end there.
type query struct {
	seek      ltx.TXID
	want      int
	all       bool
	trueTimes bool
}

func listing(name string, makeQuery func(n int) query) operation {
	return operation{name: name, setup: fillLevel, open: func(ctx context.Context, p *place) (contest, error) {
		q, data := makeQuery(p.listed()), p.beside("list")
		c, err := sides(ctx, data, data, func(_ *place, c replicate.ReplicaClient) side {
			return timed(func(ctx context.Context) error { return q.run(ctx, c) })
		})
		c.floor = timed(data.floorList(q))
		return c, err
	}}
}

// fillLevel makes files of one transaction each, one a second.
func fillLevel(ctx context.Context, p *place) error {
	p = p.beside("list")
	return p.once(func() error {
		return parallel(p.listed(), func(i int) error {
			txid := ltx.TXID(i + 1)
			return p.put(ctx, p.key(txid), txid, newContent(txid, txid, 200))
		})
	})
}

func (q query) run(ctx context.Context, c replicate.ReplicaClient) error {
	itr, err := c.LTXFiles(ctx, 0, q.seek, q.trueTimes)
	if err != nil {
		return err
	}
	got := 0
	for (q.all || got < q.want) && itr.Next() {
		got++
	}
	if err := itr.Close(); err != nil || got != q.want {
		return fmt.Errorf("%d files, want %d: %w", got, q.want, err)
	}
	return nil
}

// floorList finds the same out without a client.
func (p *place) floorList(q query) func(context.Context) error {
	if p.backend.kind == kindFile {
		return func(context.Context) error { return p.floorListDir(q) }
	}
	return func(ctx context.Context) error {
		level := path.Dir(p.key(1)) + "/"
		keys, err := p.listObjects(ctx, level, level+q.seek.String(), q.want)
		if err != nil || !q.trueTimes {
			return err
		}
		return parallel(len(keys), func(i int) error {
			_, err := p.api.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &p.backend.bucket.name, Key: &keys[i]})
			return err
		})
	}
}

// floorListDir reads all names, as there is no order in a directory, and looks at
// those that are wanted.
func (p *place) floorListDir(q query) error {
	dir := path.Dir(p.key(1))
	names, err := readDir(dir)
	if err != nil {
		return err
	}
	from := ltx.FormatName(max(1, q.seek), max(1, q.seek))
	names = slices.DeleteFunc(names, func(name string) bool { return name < from })
	slices.Sort(names)
	return statAll(dir, names[:min(q.want, len(names))])
}

// listObjects lists until there are as many as wanted.
func (p *place) listObjects(ctx context.Context, prefix, after string, want int) (keys []string, err error) {
	pages := awss3.NewListObjectsV2Paginator(p.api, &awss3.ListObjectsV2Input{
		Bucket: &p.backend.bucket.name, Prefix: &prefix, StartAfter: &after,
	})
	for pages.HasMorePages() && len(keys) < want {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	if len(keys) < want {
		return nil, fmt.Errorf("%d objects, want %d", len(keys), want)
	}
	return keys, nil
}
