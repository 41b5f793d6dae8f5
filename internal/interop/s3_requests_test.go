//go:build realtools && realservers

package interop

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/s3"
)

// counts are requests by method and by what they are for.
type counts map[string]int

// counter is a proxy in front of a server that counts what passes.
type counter struct {
	url string

	mu   sync.Mutex
	seen counts
}

// count puts a counter in front of the bucket's server.
func (b bucket) count(t *testing.T) *counter {
	t.Helper()
	target, err := url.Parse(b.endpoint)
	must(t, err)
	c := &counter{seen: make(counts)}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // which is signed
		},
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.add(r)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	c.url = srv.URL
	return c
}

func (c *counter) add(r *http.Request) {
	what := "object"
	switch q := r.URL.Query(); {
	case q.Has("list-type"):
		what = "list"
	case q.Has("delete"):
		what = "delete"
	case len(q) > 0 && !q.Has("x-id"): // the SDK's name for the operation
		what = r.URL.RawQuery
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[r.Method+" "+what]++
}

// take returns the counts since it was last called.
func (c *counter) take() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = make(counts)
	return seen
}

func wantCounts(t *testing.T, what string, got counts, want ...counts) {
	t.Helper()
	t.Logf("%s: %v", what, got)
	for _, w := range want {
		if gocmp.Equal(w, got) {
			return
		}
	}
	t.Errorf("%s: requests %v, want %v", what, got, want)
}

const budgetFiles = 5000

// TestS3Requests counts what each verb asks of a server for a level of 5,000
// files.
func TestS3Requests(t *testing.T) {
	eachServer(t, func(t *testing.T, b bucket) {
		proxy := b.count(t)
		c := b.client()
		c.Endpoint = proxy.url
		must(t, c.Init(t.Context()))
		wantCounts(t, "init", proxy.take(), counts{"GET list": 1})

		_, err := c.WriteLTXFile(t.Context(), 0, 1, 1, bytes.NewReader(smallFile(t, 1)))
		must(t, err)
		wantCounts(t, "write one", proxy.take(), counts{"PUT object": 1})
		writeRest(t, c)
		wantCounts(t, "write the rest", proxy.take(), counts{"PUT object": budgetFiles - 1})

		all := listAll(t, c, 0)
		wantCounts(t, "list", proxy.take(), counts{"GET list": 5}, counts{"GET list": 6})
		if got := listAll(t, c, budgetFiles-9); len(all) != budgetFiles || gocmp.Diff(all[budgetFiles-10:], got) != "" {
			t.Errorf("listed %d files, and %d with a seek to the last ten", len(all), len(got))
		}
		wantCounts(t, "seek to the last ten", proxy.take(), counts{"GET list": 1})

		countLast(t, c, proxy)

		must(t, c.DeleteLTXFiles(t.Context(), all))
		// The listing looks whether they are gone: stores have lied about it.
		wantCounts(t, "delete", proxy.take(), counts{"POST delete": 5, "GET list": 1})
		if left := b.objects(t, ""); len(left) > 0 {
			t.Errorf("%d objects are left", len(left))
		}
	})
}

// countLast counts how the last file at or before a moment is found.
func countLast(t *testing.T, c *s3.ReplicaClient, proxy *counter) {
	t.Helper()
	most := counts{}
	for _, want := range []ltx.TXID{0, 1, 2, 1234, 2500, 4999, budgetFiles} {
		for _, late := range []time.Duration{0, 500 * time.Millisecond} {
			files, err := replica.Open(t.Context(), c)
			must(t, err)
			level, err := files.Level(t.Context(), 0)
			must(t, err)
			last, err := files.Timeline(level, nil).Last(t.Context(), fileTime(want).Add(late))
			must(t, err)
			if got := last.TXID; got != want {
				t.Errorf("at %v: transaction %v, want %v", fileTime(want), got, want)
			}
			got := proxy.take()
			if lists, reads := got["GET list"], got["GET object"]; lists > 6 || reads > 26 || len(got) != 2 {
				t.Errorf("last file at transaction %v: requests %v, want one listing and at most 26 reads", want, got)
			}
			for op, n := range got {
				most[op] = max(most[op], n)
			}
		}
	}
	t.Logf("last file at or before a moment, at most: %v", most)
}

// fileTime is the time in a file's header. Upload is later by months, so that an
// index that believed LastModified would be wrong.
func fileTime(txid ltx.TXID) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(txid) * time.Second)
}

func smallFile(t *testing.T, txid ltx.TXID) []byte {
	t.Helper()
	h := ltx.Header{
		Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1,
		MinTXID: txid, MaxTXID: txid, Timestamp: fileTime(txid).UnixMilli(),
	}
	head, err := h.MarshalBinary()
	must(t, err)
	return append(head, make([]byte, 400)...)
}

func writeRest(t *testing.T, c *s3.ReplicaClient) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(16)
	for txid := ltx.TXID(2); txid <= budgetFiles; txid++ {
		data := smallFile(t, txid)
		g.Go(func() error {
			_, err := c.WriteLTXFile(t.Context(), 0, txid, txid, bytes.NewReader(data))
			return err
		})
	}
	must(t, g.Wait())
}

func listAll(t *testing.T, c *s3.ReplicaClient, seek ltx.TXID) (files []*ltx.FileInfo) {
	t.Helper()
	itr, err := c.LTXFiles(t.Context(), 0, seek, false)
	must(t, err)
	for itr.Next() {
		files = append(files, itr.Item())
	}
	must(t, errors.Join(itr.Err(), itr.Close()))
	return files
}
