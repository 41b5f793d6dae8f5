package s3

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// replicaFile is an LTX file as far as its header.
func replicaFile(t testing.TB, txid ltx.TXID) []byte {
	t.Helper()
	h := ltx.Header{
		Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1,
		MinTXID: txid, MaxTXID: txid, Timestamp: replicaTime(txid).UnixMilli(),
	}
	data, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return append(data, make([]byte, ltx.MinFileSize)...)
}

// replicaTime is long before the upload.
func replicaTime(txid ltx.TXID) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(txid) * time.Second)
}

// operations counts what the server was asked since it was last called.
func operations(srv *fakes3.Server) map[string]int {
	ops := make(map[string]int)
	for _, r := range srv.Requests() {
		ops[r.Op]++
	}
	srv.Reset()
	return ops
}

// TestReplicaRequests: what a client asks for 5,000 files, on top of what
// TestRequestBudget counts.
func TestReplicaRequests(t *testing.T) {
	const n = 5000
	srv := fakes3.New(t)
	c := fakeClient(srv)
	if err := c.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "init", operations(srv), map[string]int{"ListObjectsV2": 1})
	var g errgroup.Group
	g.SetLimit(8)
	for txid := ltx.TXID(1); txid <= n; txid++ {
		data := replicaFile(t, txid)
		g.Go(func() error {
			_, err := c.WriteLTXFile(t.Context(), 0, txid, txid, bytes.NewReader(data))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "writes", operations(srv), map[string]int{"PutObject": n})

	for _, want := range []ltx.TXID{1, 2500, n} {
		files, err := replica.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		level, err := files.Level(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		last, err := files.Timeline(level, nil).Last(t.Context(), replicaTime(want).Add(time.Millisecond))
		if err != nil || last.TXID != want {
			t.Errorf("last file at or before %v: got %v, error %v, want transaction %v", replicaTime(want), last, err, want)
		}
		got := operations(srv)
		if lists, reads := got["ListObjectsV2"], got["GetObject"]; lists != 5 || reads > 26 || len(got) != 2 {
			t.Errorf("last file at or before %v: requests %v, want 5 listings and at most 26 reads", replicaTime(want), got)
		}
	}
}
