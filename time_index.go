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
// Time grows as long as the clock of the replicated machine does. Where that was
// set back, a moment may name two transactions; the search gives one of them.
type TimeIndex struct {
	files []*ltx.FileInfo
	read  func(context.Context, *ltx.FileInfo) (time.Time, error)

	mu    sync.Mutex
	times map[int]time.Time // by position in files; true times, as far as read
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
	return &TimeIndex{files: files, times: make(map[int]time.Time), read: c.fileTime}
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

func (c *StoreClient) fileTime(ctx context.Context, info *ltx.FileInfo) (time.Time, error) {
	store, layout, err := c.init(ctx)
	if err != nil {
		return time.Time{}, err
	}
	h, err := readHeader(ctx, store, layout.Key(info.Level, info.MinTXID, info.MaxTXID))
	if err != nil {
		return time.Time{}, err
	}
	return ltx.Time(h), nil
}

// Len is the number of files in the level.
func (x *TimeIndex) Len() int { return len(x.files) }

// Last returns the last file whose true time is at or before t, with that time as
// its CreatedAt, or nil if all are later. It reads at most log2(Len)+2 headers;
// those read before are remembered.
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

// until is how many of the files are at or before t.
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
	return n, failed
}

func (x *TimeIndex) time(ctx context.Context, i int) (time.Time, error) {
	x.mu.Lock()
	at, ok := x.times[i]
	x.mu.Unlock()
	if ok {
		return at, nil
	}
	at, err := x.read(ctx, x.files[i])
	if err == nil {
		x.mu.Lock()
		x.times[i] = at
		x.mu.Unlock()
	}
	return at, err
}
