package replicate_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// paged is a store that likes to be listed in ranges, and counts listings.
type paged struct {
	blob.Store
	concurrency int
	listings    atomic.Int32
	opens       atomic.Int32
}

func (p *paged) ListConcurrency() int { return p.concurrency }

func (p *paged) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	p.listings.Add(1)
	return p.Store.List(ctx, prefix, opts)
}

func (p *paged) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	p.opens.Add(1)
	return p.Store.Open(ctx, key, offset, length)
}

// TestListInRanges: a level listed in ranges is the same as listed in one go,
// however the transactions lie.
func TestListInRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, step := range map[string]func(i int) ltx.TXID{
		"dense":      func(int) ltx.TXID { return 1 },
		"sparse":     func(int) ltx.TXID { return 1000 },
		"random":     func(int) ltx.TXID { return ltx.TXID(1 + r.IntN(50)) },
		"a big hole": func(i int) ltx.TXID { return 1 + ltx.TXID(i/15000)*1e9 },
		"thinning":   func(i int) ltx.TXID { return ltx.TXID(1 + i*i/1000) },
		"near the end of numbers": func(i int) ltx.TXID {
			if i == 0 {
				return ^ltx.TXID(0) - 60_000
			}
			return 2
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem := blob.NewMemory()
			var want []ltx.TXID
			txid := ltx.TXID(0)
			for i := range 27_000 {
				txid += step(i)
				want = append(want, txid)
				if _, err := mem.Write(t.Context(), ltx.LayoutS3.Key(0, txid, txid), bytes.NewReader(nil), blob.WriteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			s := &paged{Store: mem, concurrency: 4}
			c := replicate.NewStoreClient("paged", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return s, nil })
			for _, seek := range []int{0, 1, 16_999, 17_001, 26_990} {
				itr, err := c.LTXFiles(t.Context(), 0, want[seek], false)
				if err != nil {
					t.Fatal(err)
				}
				i := seek
				for ; itr.Next(); i++ {
					if i >= len(want) || itr.Item().MinTXID != want[i] {
						t.Fatalf("seek %d: file %d is %s", seek, i, itr.Item().MinTXID)
					}
				}
				if err := itr.Close(); err != nil || i != len(want) {
					t.Fatalf("seek %d: ends at file %d of %d, %v", seek, i, len(want), err)
				}
			}
		})
	}
}

// TestTimeIndex: the right file, in a logarithmic number of reads.
func TestTimeIndex(t *testing.T) {
	const n = 5000
	at := func(i int) time.Time { return time.UnixMilli(1_700_000_000_000 + int64(i)*1500).UTC() }
	mem := blob.NewMemory()
	for i := 1; i <= n; i++ {
		h := ltx.Header{Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1, MinTXID: ltx.TXID(i), MaxTXID: ltx.TXID(i), Timestamp: at(i).UnixMilli()}
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mem.Write(t.Context(), ltx.LayoutS3.Key(0, ltx.TXID(i), ltx.TXID(i)), bytes.NewReader(b), asWritten(h)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		t    time.Time
		want int // 0: none
	}{
		{at(1).Add(-1), 0}, {at(1), 1}, {at(1).Add(1), 1}, {at(2).Add(-1), 1}, {at(2500), 2500}, {at(4999).Add(700), 4999}, {at(n), n}, {at(n).Add(time.Hour), n},
	} {
		s := &paged{Store: mem, concurrency: 4}
		client := replicate.NewStoreClient("paged", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return s, nil })
		if err := client.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.listings.Store(0)
		x, err := client.TimeIndex(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := x.Last(t.Context(), c.t)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == 0 != (got == nil) || got != nil && (got.MaxTXID != ltx.TXID(c.want) || !got.CreatedAt.Equal(at(c.want))) {
			t.Errorf("last at or before %v: got %+v, want %d", c.t, got, c.want)
		}
		if s.listings.Load() != 1 || s.opens.Load() > 14 {
			t.Errorf("%d listings and %d reads among %d files", s.listings.Load(), s.opens.Load(), n)
		}
	}
}

func TestTimeIndexFails(t *testing.T) {
	mem := blob.NewMemory()
	for i := 1; i <= 3; i++ {
		if _, err := mem.Write(t.Context(), ltx.LayoutS3.Key(0, ltx.TXID(i), ltx.TXID(i)), bytes.NewReader([]byte(fmt.Sprint(i))), blob.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c := replicate.NewStoreClient("memory", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return mem, nil })
	x, err := c.TimeIndex(t.Context(), 0)
	if err != nil || x.Len() != 3 {
		t.Fatalf("TimeIndex: %d files, %v", x.Len(), err)
	}
	if got, err := x.Last(t.Context(), time.Now()); err == nil {
		t.Errorf("a header that cannot be read gives %+v", got)
	}
}
