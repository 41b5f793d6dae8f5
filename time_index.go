package replicate

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/replctl/replicate/ltx"
)

// TimeIndex finds files of one level by time. A listing shows the store's times,
// which are not to be trusted, and the true time of a file is in its header, a
// request away. Since time grows with the transaction, a binary search needs the
// headers of log2(N) files, not of N. For one search in a long level,
// [StoreClient.LastLTXFile] does without the listing.
//
// A header can be damaged. Wherever in the search that happens, the damaged file ends
// up as one of the two on either side of the moment. So these two are confirmed: by the
// time that the store keeps for them or, where that differs or is missing, by reading
// the whole file. A search never ends between two times of which one is wrong.
//
// Time grows as long as the clock of the replicated machine does. Where that was
// set back, a moment may name two transactions; the search gives one of them.
type TimeIndex struct {
	c     *StoreClient
	files []*ltx.FileInfo

	mu    sync.Mutex
	times map[int]headerTime // by position in files, as far as read
}

// TimeIndex lists a level, once, and returns its index. It reads no headers yet.
func (c *StoreClient) TimeIndex(ctx context.Context, level int) (*TimeIndex, error) {
	files, err := c.levelFiles(ctx, level)
	if err != nil {
		return nil, err
	}
	return c.timeIndex(files), nil
}

// timeIndex is the index of files whose times ascend.
func (c *StoreClient) timeIndex(files []*ltx.FileInfo) *TimeIndex {
	return &TimeIndex{c: c, files: files, times: make(map[int]headerTime)}
}

func (c *StoreClient) levelFiles(ctx context.Context, level int) (files []*ltx.FileInfo, err error) {
	itr, err := c.LTXFiles(ctx, level, 0, false)
	if err != nil {
		return nil, err
	}
	for itr.Next() {
		files = append(files, itr.Item())
	}
	return files, itr.Close()
}

// Len is the number of files in the level.
func (x *TimeIndex) Len() int { return len(x.files) }

// Last returns the last file whose true time is at or before t, with that time as
// its CreatedAt, or nil if all are later. It reads at most log2(Len)+2 headers, and
// two whole files where the store does not confirm the times on either side of t;
// what was read before is remembered. A damaged file among these is an *ltx.FileError.
func (x *TimeIndex) Last(ctx context.Context, t time.Time) (*ltx.FileInfo, error) {
	n, err := x.until(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("find the last file at or before %s: %w", t.Format(time.RFC3339Nano), err)
	}
	if n == 0 {
		return nil, nil
	}
	info := *x.files[n-1]
	at, err := x.time(ctx, n-1)
	info.CreatedAt = at
	return &info, err
}

// until is how many of the files are at or before t. The last of these and the one
// after it are confirmed to be.
func (x *TimeIndex) until(ctx context.Context, t time.Time) (int, error) {
	var failed error
	n := sort.Search(len(x.files), func(i int) bool {
		if failed != nil {
			return true
		}
		at, err := x.time(ctx, i)
		failed = err
		return err != nil || at.After(t)
	})
	for i := max(0, n-1); failed == nil && i <= n && i < len(x.files); i++ {
		failed = x.confirm(ctx, i, t)
	}
	return n, failed
}

// time is that of a file's header.
func (x *TimeIndex) time(ctx context.Context, i int) (time.Time, error) {
	seen, err := x.look(ctx, i)
	return seen.at, err
}

func (x *TimeIndex) look(ctx context.Context, i int) (headerTime, error) {
	x.mu.Lock()
	seen, ok := x.times[i]
	x.mu.Unlock()
	if ok {
		return seen, nil
	}
	seen, err := x.c.headerTime(ctx, x.files[i])
	if err == nil {
		x.keep(i, seen)
	}
	return seen, err
}

func (x *TimeIndex) keep(i int, seen headerTime) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.times[i] = seen
}

// confirm makes sure on which side of t a file is.
func (x *TimeIndex) confirm(ctx context.Context, i int, t time.Time) error {
	seen, err := x.look(ctx, i)
	if err != nil {
		return err
	}
	if seen, err = x.c.confirmTime(ctx, x.files[i], seen, t); err == nil {
		x.keep(i, seen)
	}
	return err
}
