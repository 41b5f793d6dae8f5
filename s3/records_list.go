package s3

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
)

// List implements [cas.Store]. Objects whose names are no keys are passed over.
func (r *Records) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) {
		if err := cas.CheckPrefix(prefix); err != nil {
			yield(cas.Entry{}, fmt.Errorf("list %q: %w", prefix, err))
			return
		}
		if !strings.HasPrefix(after, prefix) {
			if after > prefix {
				return // all of them are before it
			}
			after = ""
		}
		for info, err := range r.s.List(ctx, prefix, blob.ListOptions{After: after}) {
			if err == nil && cas.CheckKey(info.Key) != nil {
				continue
			}
			entry := cas.Entry{Key: info.Key}
			if err == nil {
				entry.Token, err = tokenOf(&info.ETag)
			}
			if err != nil {
				yield(cas.Entry{}, err)
				return
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}
