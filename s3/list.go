package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/transport"
)

// List implements [blob.Reader]. The first entry costs one request; from the
// second on, the next page is fetched while this one is consumed, unless this one
// has as many as are wanted.
//
// A store that does not list in key order is found out by a page. From then on all
// names of a listing are collected, up to a million, and sorted. Where entries have
// been yielded by then, the listing ends with an error, and the next one is right.
func (s *Store) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		err := blob.CheckList(prefix, opts)
		if s == nil || s.c == nil {
			err = errNotOpen
		}
		if err != nil {
			yield(blob.Info{}, answer.Wrap("list", strconv.Quote(prefix), err))
			return
		}
		if s.unordered.Load() {
			s.sorted(ctx, prefix, opts, yield)
			return
		}
		l := &listing{s: s, progress: progress{maxBarren: s.maxBarren}, prefix: prefix, last: opts.After, left: opts.Limit}
		if opts.Limit == 0 {
			l.left = math.MaxInt
		}
		l.ctx, l.cancel = context.WithCancel(ctx)
		defer l.close()
		err = l.walk(s.listInput(prefix, opts), yield)
		switch {
		case errors.Is(err, errUnordered) && !l.began:
			s.sorted(ctx, prefix, opts, yield)
		case err != nil:
			yield(blob.Info{}, err)
		}
	}
}

func (s *Store) listInput(prefix string, opts blob.ListOptions) awss3.ListObjectsV2Input {
	in := awss3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, Prefix: s.path(prefix)}
	if opts.After != "" {
		in.StartAfter = s.path(opts.After)
	}
	if opts.Delimited {
		in.Delimiter = aws.String("/")
	}
	in.MaxKeys = pageLimit(opts.Limit)
	return in
}

// maxPage is how many entries a store puts on a page at most, unless it says so.
const maxPage = 1000

// pageLimit is what to ask for when n entries are wanted, or all that fit.
func pageLimit(n int) *int32 {
	if n <= 0 || n >= maxPage {
		return nil
	}
	return aws.Int32(int32(n))
}

// listing is one walk through the pages.
type listing struct {
	s      *Store
	ctx    context.Context
	cancel context.CancelFunc
	prefix string
	last   string    // the last key that was yielded, at first ListOptions.After
	began  bool      // something was yielded
	left   int       // how many are still to be yielded
	next   chan page // the page being fetched, or nil
	progress
}

type page struct {
	out *awss3.ListObjectsV2Output
	err error
}

// close ends the fetching, and waits until it has ended.
func (l *listing) close() {
	l.cancel()
	if l.next != nil {
		<-l.next
	}
}

func (l *listing) fetch(in awss3.ListObjectsV2Input) {
	l.next = make(chan page, 1)
	go func(next chan<- page) {
		out, err := l.s.listPage(l.ctx, l.prefix, &in)
		next <- page{out, err}
	}(l.next)
}

func (l *listing) walk(in awss3.ListObjectsV2Input, yield func(blob.Info, error) bool) error {
	for l.fetch(in); l.next != nil; {
		p := <-l.next
		l.next = nil
		if p.err != nil {
			return p.err
		}
		more, err := nextPage(&in, p.out)
		if err == nil {
			err = l.examine(p.out, more)
		}
		if err != nil {
			return answer.Wrap("list", strconv.Quote(l.prefix), err)
		}
		missing := l.left - len(p.out.Contents) - len(p.out.CommonPrefixes) // if all of these count
		in.MaxKeys = pageLimit(missing)
		for info, err := range l.entries(p.out) {
			if err != nil {
				return answer.Wrap("list", strconv.Quote(l.prefix), err)
			}
			if l.left--; !yield(info, nil) || l.left == 0 {
				return nil
			}
			if more && missing > 0 && l.next == nil {
				l.fetch(in)
			}
		}
		if more && l.next == nil {
			l.fetch(in)
		}
	}
	return nil
}

// examine refuses a page that is out of order, of another place, or the latest of
// too many that get nowhere.
func (l *listing) examine(out *awss3.ListObjectsV2Output, more bool) error {
	objects, prefixes := names(out)
	if err := inOrder(objects, prefixes); err != nil {
		l.s.unordered.Store(true)
		return err
	}
	greatest, ours := "", 0
	for _, name := range append(objects, prefixes...) {
		key, ok := strings.CutPrefix(name, l.s.prefix+l.prefix)
		if !ok {
			return fmt.Errorf("%w: %q is not below the prefix that was asked for", answer.ErrIncomplete, answer.Clip(name))
		}
		greatest = max(greatest, name)
		if key != "" && !hidden(l.prefix+key) && l.prefix+key > l.last {
			ours++
		}
	}
	if !more {
		return nil
	}
	return l.page(greatest, ours)
}

// entries merges the objects and the prefixes of a page into one ascending
// sequence, and makes sure that it is one across pages as well.
func (l *listing) entries(out *awss3.ListObjectsV2Output) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for info := range l.s.merge(out.Contents, out.CommonPrefixes) {
			switch {
			case l.ctx.Err() != nil:
				yield(blob.Info{}, context.Cause(l.ctx))
				return
			case hidden(info.Key) || !strings.HasPrefix(info.Key, l.prefix):
				continue
			case l.began && info.Key < l.last:
				l.s.unordered.Store(true)
				yield(blob.Info{}, fmt.Errorf("%w: %q after %q", errUnordered, info.Key, l.last))
				return
			case info.Key <= l.last:
				continue // a prefix cut by the end of a page, or StartAfter ignored
			}
			l.last, l.began = info.Key, true
			if !yield(info, nil) {
				return
			}
		}
	}
}

// merge yields what a page lists, keys relative to the store's prefix.
func (s *Store) merge(objects []types.Object, prefixes []types.CommonPrefix) iter.Seq[blob.Info] {
	return func(yield func(blob.Info) bool) {
		for len(objects)+len(prefixes) > 0 {
			var info blob.Info
			if len(prefixes) == 0 || len(objects) > 0 && aws.ToString(objects[0].Key) < aws.ToString(prefixes[0].Prefix) {
				info, objects = s.object(objects[0]), objects[1:]
			} else {
				info.Key, prefixes = s.relative(prefixes[0].Prefix), prefixes[1:]
			}
			if info.Key != "" && !yield(info) {
				return
			}
		}
	}
}

// object is one listed object; a "folder" has no key here.
func (s *Store) object(o types.Object) blob.Info {
	info := blob.Info{Key: s.relative(o.Key), Size: aws.ToInt64(o.Size), ModTime: timeOf(o.LastModified),
		ETag: trimETag(o.ETag)}
	if info.IsPrefix() {
		info.Key = ""
	}
	return info
}

// relative is a full key without the store's prefix; empty if it is elsewhere.
func (s *Store) relative(key *string) string {
	rest, ok := strings.CutPrefix(aws.ToString(key), s.prefix)
	if !ok {
		return ""
	}
	return rest
}

// listPage is one request. The SDK takes any document but an error for a listing,
// also none at all, or the page of a proxy, and finds it empty. That is not
// something to believe lightly.
func (s *Store) listPage(
	ctx context.Context, prefix string, in *awss3.ListObjectsV2Input,
) (out *awss3.ListObjectsV2Output, err error) {
	err = s.c.Try(ctx, "list", strconv.Quote(prefix), func(ctx context.Context, _ *transport.Watchdog) (err error) {
		out, err = s.c.API.ListObjectsV2(ctx, in)
		if err == nil && out.IsTruncated == nil && out.Name == nil && len(out.Contents)+len(out.CommonPrefixes) == 0 {
			return answer.Transient(fmt.Errorf("%w: it is not a listing", answer.ErrIncomplete))
		}
		return err
	})
	if err == nil {
		s.bucketSeen.Store(true)
	}
	return out, err
}
