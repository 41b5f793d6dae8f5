package replicate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// timedFile is a file of a level, and its true time in milliseconds.
type timedFile struct {
	min, max ltx.TXID
	at       int64
}

// timeline is n files: gap and pause are what is between one and the next.
func timeline(n int, gap func(i int) ltx.TXID, pause func(i int) int64) []timedFile {
	files := make([]timedFile, n)
	txid, at := ltx.TXID(0), int64(1_700_000_000_000)
	for i := range files {
		txid, at = txid+gap(i), at+pause(i)
		files[i] = timedFile{txid, txid, at}
	}
	return files
}

func timedLevel(t *testing.T, files []timedFile) *paged {
	t.Helper()
	mem := blob.NewMemory()
	for _, f := range files {
		h := ltx.Header{Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1, MinTXID: f.min, MaxTXID: f.max, Timestamp: f.at}
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mem.Write(t.Context(), ltx.LayoutS3.Key(0, f.min, f.max), bytes.NewReader(b), asWritten(h)); err != nil {
			t.Fatal(err)
		}
	}
	return &paged{Store: mem}
}

func (p *paged) client(t *testing.T) *replicate.StoreClient {
	t.Helper()
	c := replicate.NewStoreClient("paged", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return p, nil })
	if err := c.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// wantLast holds that a search gives what the index does, and returns the requests
// of the former.
func wantLast(t *testing.T, p *paged, c *replicate.StoreClient, x *replicate.TimeIndex, at int64) int32 {
	t.Helper()
	want, err := x.Last(t.Context(), time.UnixMilli(at))
	if err != nil {
		t.Fatal(err)
	}
	p.listings.Store(0)
	p.opens.Store(0)
	got, err := c.LastLTXFile(t.Context(), 0, time.UnixMilli(at))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("last file at or before %d (-want +got):\n%s", at, diff)
	}
	return p.listings.Load() + p.opens.Load()
}

// TestLastLTXFile: the file that TimeIndex finds, in few requests.
func TestLastLTXFile(t *testing.T) {
	const n = 5000
	r := rand.New(rand.NewPCG(3, 4))
	one := func(int) ltx.TXID { return 1 }
	second := func(int) int64 { return 1000 }
	jitter := func(int) int64 { return int64(r.ExpFloat64() * 1000) }
	for _, c := range []struct {
		name  string
		files []timedFile
		most  int32 // requests
	}{
		{"uniform", timeline(n, one, second), 20},
		{"jitter", timeline(n, one, jitter), 30},
		{"sparse", timeline(n, func(int) ltx.TXID { return ltx.TXID(1 + r.IntN(2000)) }, second), 30},
		{"bursts", timeline(n, one, func(i int) int64 { return int64(1 + (i%500)/499*86_400_000) }), 50},
		{"one long night", timeline(n, one, func(i int) int64 { return 1000 + int64(i/2500-max(0, i-1)/2500)*43_200_000 }), 60},
		{"slower and slower", timeline(n, one, func(i int) int64 { return int64(1) << (i / 150) }), 60},
		{"faster and faster", timeline(n, one, func(i int) int64 { return int64(1) << ((n - i) / 150) }), 60},
		{"all at once", timeline(n, one, func(int) int64 { return 0 }), 60},
		{"far apart", timeline(60, func(i int) ltx.TXID { return 1 << i }, second), 30},
		{"numbers explode", timeline(n, func(i int) ltx.TXID { return 1 << (i / 100) }, jitter), 100},
		{"one file", timeline(1, one, second), 2},
		{"two pages", timeline(200, one, second), 20},
		{"no file", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := timedLevel(t, c.files)
			client := p.client(t)
			x, err := client.TimeIndex(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			var most, sum, count int32
			for _, at := range moments(r, c.files) {
				got := wantLast(t, p, client, x, at)
				most, sum, count = max(most, got), sum+got, count+1
			}
			t.Logf("%.1f requests, at most %d", float64(sum)/float64(count), most)
			if most > c.most {
				t.Errorf("%d requests, want at most %d", most, c.most)
			}
		})
	}
}

// moments are before, between, at, and after files.
func moments(r *rand.Rand, files []timedFile) []int64 {
	if len(files) == 0 {
		return []int64{0}
	}
	first, last := files[0].at, files[len(files)-1].at
	at := []int64{first - 1, first, first + 1, last - 1, last, last + 1, last + 1e12}
	for range 6 {
		f := files[r.IntN(len(files))]
		at = append(at, f.at, f.at-1, first+r.Int64N(last-first+1))
	}
	return at
}

// TestLastLTXFileSharedMin: files that differ only in the second number are as many
// as the others, as in a level of snapshots.
func TestLastLTXFileSharedMin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for name, shared := range map[string][2]int{"all": {0, 3000}, "the first": {0, 1500}, "the middle": {1000, 2000}, "the last": {1500, 3000}} {
		t.Run(name, func(t *testing.T) {
			files := timeline(3000, func(int) ltx.TXID { return 1 }, func(int) int64 { return int64(r.IntN(2000)) })
			for i := shared[0]; i < shared[1]; i++ {
				files[i].min = files[shared[0]].min
			}
			p := timedLevel(t, files)
			client := p.client(t)
			x, err := client.TimeIndex(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range moments(r, files) {
				if got := wantLast(t, p, client, x, at); got > 100 { // two searches
					t.Errorf("%d requests at %d", got, at)
				}
			}
		})
	}
}

// TestLastLTXFileRandom: small levels of all kinds.
func TestLastLTXFileRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 60 {
		gap, pause := 1+r.IntN(1<<r.IntN(20)), 1+r.IntN(1<<r.IntN(20))
		files := timeline(1+r.IntN(400), func(int) ltx.TXID { return ltx.TXID(r.IntN(gap) + 1) }, func(int) int64 { return int64(r.IntN(pause)) })
		for i := range files[1:] {
			if r.IntN(3) == 0 {
				files[i+1].min = files[i].min
			}
		}
		p := timedLevel(t, files)
		client := p.client(t)
		x, err := client.TimeIndex(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range moments(r, files) {
			wantLast(t, p, client, x, at)
		}
	}
}

// TestLastLTXFileForeign: names that are no file's are passed over, also many.
func TestLastLTXFileForeign(t *testing.T) {
	files := timeline(300, func(int) ltx.TXID { return 10 }, func(int) int64 { return 1000 })
	p := timedLevel(t, files)
	for i := range 2500 {
		put(t, p, fmt.Sprintf("0000/%016x-%04d.tmp", 1501, i))
		put(t, p, fmt.Sprintf("0000/%016x/%04d", 1502, i))
		put(t, p, fmt.Sprintf("0000/%016x-%04d/dir", 1503, i))
	}
	client := p.client(t)
	x, err := client.TimeIndex(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 100, 148, 149, 150, 151, 200, 299} {
		wantLast(t, p, client, x, files[i].at)
		wantLast(t, p, client, x, files[i].at-1)
	}
}

func put(t *testing.T, s blob.Store, key string) {
	t.Helper()
	if _, err := s.Write(t.Context(), key, strings.NewReader("x"), blob.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestLastLTXFileClockSetBack: the search ends, with one of the files it might mean.
func TestLastLTXFileClockSetBack(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	files := timeline(1000, func(int) ltx.TXID { return 3 }, func(int) int64 { return int64(r.IntN(5000) - 2000) })
	p := timedLevel(t, files)
	client := p.client(t)
	for _, at := range moments(r, files[:500]) {
		p.opens.Store(0)
		got, err := client.LastLTXFile(t.Context(), 0, time.UnixMilli(at))
		if err != nil || got != nil && got.CreatedAt.After(time.UnixMilli(at)) || p.opens.Load() > 60 {
			t.Errorf("at %d: got %+v, error %v, %d reads", at, got, err, p.opens.Load())
		}
	}
}

// TestLastLTXFileDirectory: where a few names cost as much as all, they are listed
// once.
func TestLastLTXFileDirectory(t *testing.T) {
	files := timeline(1000, func(int) ltx.TXID { return 1 }, func(int) int64 { return 1000 })
	p := timedLevel(t, files)
	p.directory = true
	client := p.client(t)
	p.listings.Store(0)
	got, err := client.LastLTXFile(t.Context(), 0, time.UnixMilli(files[700].at))
	if err != nil || got == nil || got.MaxTXID != files[700].max || p.listings.Load() != 1 {
		t.Errorf("got %+v, error %v, %d listings", got, err, p.listings.Load())
	}
}

func TestLastLTXFileFails(t *testing.T) {
	p := timedLevel(t, nil)
	put(t, p, ltx.LayoutS3.Key(0, 1, 1))
	client := p.client(t)
	if got, err := client.LastLTXFile(t.Context(), 0, time.Now()); !errors.Is(err, ltx.ErrTruncated) {
		t.Errorf("a header that cannot be read gives %+v, error %v", got, err)
	}
	if got, err := client.LastLTXFile(t.Context(), 99, time.Now()); err == nil {
		t.Errorf("level 99 gives %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := client.LastLTXFile(ctx, 0, time.Now()); err == nil {
		t.Errorf("a cancelled search gives %+v", got)
	}
}
