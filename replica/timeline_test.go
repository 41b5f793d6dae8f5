package replica_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// lastOf is the last point of level 0 at or before a moment.
func lastOf(t *testing.T, src replica.Source, at time.Time) (replica.Point, error) {
	t.Helper()
	files, err := replica.Open(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	level, err := files.Level(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return files.Timeline(level, nil).Last(t.Context(), at)
}

// TestTimeline: the right file, in a logarithmic number of reads.
func TestTimeline(t *testing.T) {
	const n = 5000
	at := func(i int) time.Time { return time.UnixMilli(1_700_000_000_000 + int64(i)*1500).UTC() }
	mem := blob.NewMemory()
	for i := 1; i <= n; i++ {
		h := ltx.Header{
			Version:   3,
			Flags:     ltx.HeaderFlagNoChecksum,
			PageSize:  4096,
			Commit:    1,
			MinTXID:   ltx.TXID(i),
			MaxTXID:   ltx.TXID(i),
			Timestamp: at(i).UnixMilli(),
		}
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mem.Write(t.Context(), ltx.LayoutS3.Key(0, ltx.TXID(i), ltx.TXID(i)),
			bytes.NewReader(append(b, make([]byte, ltx.MinFileSize)...)), fakereplica.AsWritten(h)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		t    time.Time
		want int // 0: none
	}{
		{at(1).Add(-1), 0}, {at(1), 1}, {at(1).Add(1), 1}, {at(2).Add(-1), 1}, {at(2500), 2500}, {at(4999).Add(700),
			4999}, {at(n), n}, {at(n).Add(time.Hour), n},
	} {
		s := &fakereplica.Store{Store: mem}
		client := replica.NewClient("paged", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return s, nil })
		if err := client.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Listings.Store(0)
		got, err := lastOf(t, client, c.t)
		if err != nil {
			t.Fatal(err)
		}
		if got.TXID != ltx.TXID(c.want) || c.want > 0 && !got.Time.Equal(at(c.want)) {
			t.Errorf("last at or before %v: got %+v, want %d", c.t, got, c.want)
		}
		if s.Listings.Load() != 1 || s.Opens.Load() > 14 {
			t.Errorf("%d listings and %d reads among %d files", s.Listings.Load(), s.Opens.Load(), n)
		}
	}
}

func TestTimelineFails(t *testing.T) {
	mem := blob.NewMemory()
	for i := 1; i <= 3; i++ {
		if _, err := mem.Write(t.Context(), ltx.LayoutS3.Key(0, ltx.TXID(i), ltx.TXID(i)),
			bytes.NewReader(bytes.Repeat([]byte{byte(i)}, ltx.MinFileSize)), blob.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c := replica.NewClient("memory", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return mem, nil })
	if got, err := lastOf(t, c, time.Now()); err == nil {
		t.Errorf("a header that cannot be read gives %+v", got)
	}
}
