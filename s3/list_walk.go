package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/answer"
)

// Bounds of a listing. S3 may give pages without a name on the way to the next, and
// a bucket may hold names that are not ours; a server that gives nothing else must
// not keep us for ever.
const (
	maxStill  = 100     // pages in a row that bring no new name
	maxBarren = 10_000  // pages in a row without a name that is ours: ten million names
	maxSorted = 1 << 20 // names that are sorted here: about 300 MB
)

var (
	errStandsStill = errors.New("page after page brings nothing new")
	errUnordered   = errors.New("the store does not list in key order")
)

// progress makes sure that a listing gets on.
type progress struct {
	maxBarren     int
	still, barren int    // pages in a row
	furthest      string // the greatest name so far
}

// page is told of each page that is not the last.
func (p *progress) page(greatest string, ours int) error {
	p.still, p.barren = p.still+1, p.barren+1
	if greatest > p.furthest {
		p.furthest, p.still = greatest, 0
	}
	if ours > 0 {
		p.barren = 0
	}
	switch {
	case p.still >= maxStill:
		return fmt.Errorf("%w: %w, %d times", answer.ErrIncomplete, errStandsStill, p.still)
	case p.barren >= p.maxBarren:
		return fmt.Errorf("%w: none of the names on %d pages in a row is one of ours", answer.ErrIncomplete, p.barren)
	}
	return nil
}

// names are the objects of a page, and its prefixes, hidden ones included.
func names(out *awss3.ListObjectsV2Output) (objects, prefixes []string) {
	for _, o := range out.Contents {
		objects = append(objects, aws.ToString(o.Key))
	}
	for _, p := range out.CommonPrefixes {
		prefixes = append(prefixes, aws.ToString(p.Prefix))
	}
	return objects, prefixes
}

// inOrder is an error unless the objects of a page ascend, and its prefixes do.
func inOrder(objects, prefixes []string) error {
	for _, keys := range [][]string{objects, prefixes} {
		for i := 1; i < len(keys); i++ {
			if keys[i] < keys[i-1] {
				return fmt.Errorf("%w: %q after %q", errUnordered, answer.Clip(keys[i]), answer.Clip(keys[i-1]))
			}
		}
	}
	return nil
}

// sorted lists a store that does not list in key order (Storj's gateways go by
// encrypted names, S3 Express by none): it collects all names, since the first may
// come last, and sorts them. It asks for no start, which would mean another thing
// there.
func (s *Store) sorted(ctx context.Context, prefix string, opts blob.ListOptions, yield func(blob.Info, error) bool) {
	all, err := s.collect(ctx, prefix, opts)
	if err != nil {
		yield(blob.Info{}, err)
		return
	}
	for n, info := range all {
		if opts.Limit > 0 && n == opts.Limit || !yield(info, nil) {
			return
		}
	}
}

func (s *Store) collect(ctx context.Context, prefix string, opts blob.ListOptions) ([]blob.Info, error) {
	found := make(map[string]blob.Info)
	in := s.listInput(prefix, blob.ListOptions{Delimited: opts.Delimited})
	var on progress
	for more := true; more; {
		out, err := s.listPage(ctx, prefix, &in)
		if err != nil {
			return nil, err
		}
		before := len(found)
		for info := range s.merge(out.Contents, out.CommonPrefixes) {
			if strings.HasPrefix(info.Key, prefix) && !hidden(info.Key) {
				found[info.Key] = info
			}
		}
		if more, err = nextPage(&in, out); err == nil && more {
			err = on.collected(len(found) - before)
		}
		if err == nil && len(found) > maxSorted {
			err = fmt.Errorf("%w, and has more than %d names to be sorted", errUnordered, maxSorted)
		}
		if err != nil {
			return nil, answer.Wrap("list", strconv.Quote(prefix), err)
		}
	}
	all := make([]blob.Info, 0, len(found))
	for key, info := range found {
		if key > opts.After {
			all = append(all, info)
		}
	}
	slices.SortFunc(all, func(a, b blob.Info) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// collected is page, for names in no order: it is told how many were new.
func (p *progress) collected(found int) error {
	if p.still++; found > 0 {
		p.still = 0
	}
	if p.still >= maxStill {
		return fmt.Errorf("%w: %w, %d times", answer.ErrIncomplete, errStandsStill, p.still)
	}
	return nil
}

// nextPage makes the request for the page after out, if there is one.
func nextPage(in *awss3.ListObjectsV2Input, out *awss3.ListObjectsV2Output) (more bool, err error) {
	if !aws.ToBool(out.IsTruncated) {
		return false, nil
	}
	token := aws.ToString(out.NextContinuationToken)
	if token == "" || token == aws.ToString(in.ContinuationToken) {
		return false, fmt.Errorf("%w: a truncated page leads nowhere", answer.ErrIncomplete)
	}
	in.StartAfter, in.ContinuationToken = nil, &token
	return true, nil
}
