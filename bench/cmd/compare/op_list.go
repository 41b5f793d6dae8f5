package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
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
		{name: "last-before", setup: fillLevel, open: openLastBefore},
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
		c, err := data.both(ctx, func(c replicate.ReplicaClient) side {
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
	api := p.backend.client(p.endpoint)
	return func(ctx context.Context) error {
		keys, err := p.listBucket(ctx, api, q)
		if err != nil || !q.trueTimes {
			return err
		}
		return parallel(len(keys), func(i int) error {
			_, err := api.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &p.backend.bucket.name, Key: &keys[i]})
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

// listBucket lists as far as the query wants.
func (p *place) listBucket(ctx context.Context, api *awss3.Client, q query) (keys []string, err error) {
	prefix := path.Dir(p.key(1)) + "/"
	in := &awss3.ListObjectsV2Input{Bucket: &p.backend.bucket.name, Prefix: &prefix}
	if q.seek > 0 {
		in.StartAfter = aws.String(prefix + q.seek.String())
	}
	pages := awss3.NewListObjectsV2Paginator(api, in)
	for pages.HasMorePages() && len(keys) < q.want {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	if len(keys) < q.want {
		return nil, fmt.Errorf("%d objects, want %d", len(keys), q.want)
	}
	return keys, nil
}

// openLastBefore looks for the last file at or before a moment in the middle.
func openLastBefore(ctx context.Context, p *place) (contest, error) {
	want := ltx.TXID(p.listed()/2 + 1)
	p = p.beside("list")
	ours, err1 := p.ours(ctx)
	theirs, err2 := p.theirs(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return contest{}, err
	}
	check := func(got ltx.TXID, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("transaction %d, want %d", got, want)
		}
		return err
	}
	return contest{
		ours:   timed(func(ctx context.Context) error { return check(lastBefore(ctx, ours, want)) }),
		theirs: timed(func(ctx context.Context) error { return check(lastBeforeByListing(ctx, theirs, want)) }),
		floor:  timed(p.floorList(query{want: p.listed()})),
	}, nil
}

func lastBefore(ctx context.Context, c ourClient, txid ltx.TXID) (ltx.TXID, error) {
	files, err := replica.Open(ctx, c)
	if err != nil {
		return 0, err
	}
	level, err := files.Level(ctx, 0)
	if err != nil {
		return 0, err
	}
	timeline := files.Timeline(level, nil)
	n, err := timeline.Until(ctx, timeOf(txid))
	if err != nil || n == 0 {
		return 0, err
	}
	return timeline.Ends[n-1].MaxTXID, nil
}

// lastBeforeByListing is how Litestream's restore finds it.
func lastBeforeByListing(ctx context.Context, c theirClient, txid ltx.TXID) (found ltx.TXID, err error) {
	itr, err := c.LTXFiles(ctx, 0, 0, true)
	if err != nil {
		return 0, err
	}
	for itr.Next() {
		if info := itr.Item(); !info.CreatedAt.After(timeOf(txid)) {
			found = max(found, info.MaxTXID)
		}
	}
	return found, itr.Close()
}
