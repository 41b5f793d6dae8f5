package s3

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/answer"
)

// verifyDeleted looks whether the store kept what it said it deleted: R2 has
// answered "Deleted" for objects that stayed (litestream#976, litestream.io
// #222). Each listing starts at a key to be verified and serves for all keys in
// its page, so a run of a thousand neighbours costs one GET, and n scattered
// keys cost n at most. What a listing shows, which may be out of date, counts
// only if HEAD shows it too.
func (s *Store) verifyDeleted(ctx context.Context, keys []string, pending []int, failed []error) {
	doubtful := slices.DeleteFunc(slices.Clone(pending), func(i int) bool { return failed[i] != nil })
	slices.SortFunc(doubtful, func(a, b int) int { return strings.Compare(keys[a], keys[b]) })
	for len(doubtful) > 0 && ctx.Err() == nil {
		list := s.keysFrom
		if s.unordered.Load() {
			list = s.allKeys
		}
		listed, last, err := list(ctx, keys[doubtful[0]])
		if err != nil {
			s.c.Log().Warn("deleted objects could not be verified", "keys", len(doubtful), answer.Attr(err))
			return
		}
		n := 0
		for ; n < len(doubtful) && (last == "" || keys[doubtful[n]] <= last); n++ {
			i := doubtful[n]
			if !listed[keys[i]] {
				continue
			}
			if _, err := s.Stat(ctx, keys[i]); err == nil {
				failed[i] = errKept
			}
		}
		doubtful = doubtful[n:]
	}
}

// allKeys is keysFrom for a store that lists in no order: all of them.
func (s *Store) allKeys(ctx context.Context, _ string) (listed map[string]bool, last string, err error) {
	all, err := s.collect(ctx, "", blob.ListOptions{})
	listed = make(map[string]bool, len(all))
	for _, info := range all {
		listed[info.Key] = true
	}
	return listed, "", err
}

// keysFrom is a page of the listing that starts at key or shortly before. Last
// is the key up to which it is complete; empty if to the end of the store.
func (s *Store) keysFrom(ctx context.Context, key string) (listed map[string]bool, last string, err error) {
	in := &awss3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, Prefix: &s.prefix}
	if before := keyBefore(s.prefix + key); before > s.prefix {
		in.StartAfter = &before
	}
	out, err := s.listPage(ctx, key, in)
	if err != nil {
		return nil, "", err
	}
	if inOrder(names(out)) != nil {
		s.unordered.Store(true)
		return s.allKeys(ctx, key)
	}
	listed = make(map[string]bool, len(out.Contents))
	for _, o := range out.Contents {
		last = s.relative(o.Key)
		listed[last] = true
	}
	switch {
	case !aws.ToBool(out.IsTruncated):
		last = ""
	case last < key: // the page says nothing about it
		listed[key], last = true, key
	}
	return listed, last, nil
}

// keyBefore is a string just below key, to start a listing after. Between the
// two could only be keys that go on in something other than ASCII.
func keyBefore(key string) string {
	r, n := utf8.DecodeLastRuneInString(key)
	switch {
	case r <= ' ': // a control character would garble the XML of the answer
		return key[:len(key)-n]
	case r == 0xE000: // the surrogates are below it
		r = 0xD800
	}
	return key[:len(key)-n] + string(r-1) + "~"
}
