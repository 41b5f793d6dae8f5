package replica

import (
	"context"
	"errors"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/replctl/replicate/ltx"
)

// Timeline is the LTX files of a replica by the states that they lead to.
//
// A listing shows the store's times, which are not to be trusted, and the true time of a
// file is in its header, a request away. Time grows with the transaction. So a search for
// a moment is binary, and reads the headers of log2(N) files, not of N. What was read is
// remembered.
//
// A header can be damaged. Wherever in the search that happens, the damaged file ends
// up as one of the two on either side of the moment. So these two are confirmed: by the
// time that the store keeps for them or, where that differs or is missing, by reading
// the whole file. A search never ends between two times of which one is wrong.
//
// Time grows as long as the clock of the replicated machine does. Where that was
// set back, a moment may name two transactions; the search gives one of them.
type Timeline struct {
	Files []*ltx.FileInfo // all that were given

	// Chain has the files that can be used, and Whole all of them, as if none were
	// damaged. Useless are those that only Whole has.
	Chain, Whole *ltx.Chain
	Useless      []*ltx.FileInfo

	// Ends has, for each transaction that a usable file ends with, ascending, the file
	// that tells its time best: that of the lowest level. A snapshot's header may
	// have the time when it was taken.
	Ends []*ltx.FileInfo

	of *Files

	mu    sync.Mutex
	times map[int]FileTime // by position in Ends, as far as read
}

// Timeline arranges files, which are in the order of their levels. It leaves out what is
// too short to be a file, and those whose keys are among the damaged. It reads nothing.
func (f *Files) Timeline(files []*ltx.FileInfo, damaged []string) *Timeline {
	t := &Timeline{Files: files, of: f, times: map[int]FileTime{}}
	var usable []*ltx.FileInfo
	for _, file := range files {
		if file.Size < ltx.MinFileSize || slices.Contains(damaged, f.Key(file)) {
			t.Useless = append(t.Useless, file)
		} else {
			usable = append(usable, file)
		}
	}
	t.Chain, t.Ends = ltx.NewChain(usable), ends(usable)
	t.Whole = t.Chain
	if len(t.Useless) > 0 {
		t.Whole = ltx.NewChain(files)
	}
	return t
}

// ends takes files by level.
func ends(files []*ltx.FileInfo) []*ltx.FileInfo {
	seen := make(map[ltx.TXID]bool, len(files))
	var ends []*ltx.FileInfo
	for _, f := range files {
		if !seen[f.MaxTXID] {
			seen[f.MaxTXID] = true
			ends = append(ends, f)
		}
	}
	sort.Slice(ends, func(i, j int) bool { return ends[i].MaxTXID < ends[j].MaxTXID })
	return ends
}

// End is the position in Ends of the first file that ends with a transaction or later;
// len(Ends) if there is none.
func (t *Timeline) End(txid ltx.TXID) int {
	return sort.Search(len(t.Ends), func(i int) bool { return t.Ends[i].MaxTXID >= txid })
}

// Latest is the last transaction that any file is named for, a useless one too.
func (t *Timeline) Latest() ltx.TXID {
	var last ltx.TXID
	if t.Chain != nil {
		last = t.Chain.MaxTXID()
	}
	for _, f := range t.Useless {
		last = max(last, f.MaxTXID)
	}
	return last
}

// Point is the state after a transaction that a usable file ends with; zero for 0. A file
// whose header is damaged is an *ltx.FileError.
func (t *Timeline) Point(ctx context.Context, txid ltx.TXID) (Point, error) {
	if txid == 0 {
		return Point{}, nil
	}
	at, err := t.look(ctx, t.End(txid))
	return Point{TXID: txid, Time: at.At}, err
}

// Until counts the Ends at or before a moment. The last of these and the one after it are
// confirmed to be. It reads at most log2(N)+2 headers, and two whole files where the store
// does not confirm the times on either side. A damaged file among these is an
// *ltx.FileError.
func (t *Timeline) Until(ctx context.Context, moment time.Time) (int, error) {
	var failed error
	n := sort.Search(len(t.Ends), func(i int) bool {
		if failed != nil {
			return true
		}
		at, err := t.look(ctx, i)
		failed = err
		return err != nil || at.At.After(moment)
	})
	for i := max(0, n-1); failed == nil && i <= n && i < len(t.Ends); i++ {
		failed = t.confirm(ctx, i, moment)
	}
	return n, failed
}

// Last is the last point at or before a moment that a usable file ends with; zero if there
// is none. Not every such point can be restored: see [ltx.Chain.Restorable]. It reads what
// Until reads.
func (t *Timeline) Last(ctx context.Context, moment time.Time) (Point, error) {
	n, err := t.Until(ctx, moment)
	if err != nil || n == 0 {
		return Point{}, err
	}
	return t.Point(ctx, t.Ends[n-1].MaxTXID)
}

// Confirm makes sure on which side of a moment a transaction is that a usable file ends with.
func (t *Timeline) Confirm(ctx context.Context, txid ltx.TXID, moment time.Time) error {
	return t.confirm(ctx, t.End(txid), moment)
}

func (t *Timeline) confirm(ctx context.Context, i int, moment time.Time) error {
	seen, err := t.look(ctx, i)
	if err != nil {
		return err
	}
	if seen, err = t.of.ConfirmTime(ctx, t.Ends[i], seen, moment); err == nil {
		t.keep(i, seen)
	}
	return err
}

func (t *Timeline) look(ctx context.Context, i int) (FileTime, error) {
	if i >= len(t.Ends) || t.of == nil {
		return FileTime{}, errors.New("no usable file ends with that transaction")
	}
	t.mu.Lock()
	seen, ok := t.times[i]
	t.mu.Unlock()
	if ok {
		return seen, nil
	}
	seen, err := t.of.Time(ctx, t.Ends[i])
	if err == nil {
		t.keep(i, seen)
	}
	return seen, err
}

func (t *Timeline) keep(i int, seen FileTime) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.times[i] = seen
}
