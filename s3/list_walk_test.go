package s3

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
)

// TestListEndless: no server keeps a listing for ever.
func TestListEndless(t *testing.T) {
	object := func(format string) func(int64) string {
		return func(n int64) string { return fmt.Sprintf("<Contents><Key>"+format+"</Key></Contents>", n) }
	}
	same := func(int64) string { return "<Contents><Key>some/prefix/a</Key></Contents>" }
	for name, c := range map[string]struct {
		page, token func(n int64) string
		most        int64 // pages
	}{
		"empty pages":  {func(int64) string { return "" }, nil, 2 * maxStill},
		"the same key": {same, nil, 2 * maxStill},
		"tokens a-b-a": {same, func(n int64) string { return "ab"[n%2 : n%2+1] }, 2 * maxStill},
		"keys a-b-a":   {func(n int64) string { return object("some/prefix/%d")(n % 2) }, nil, 2 * maxStill},
		"hidden names": {object("some/prefix//%020d"), nil, 400},
		"hidden prefixes": {func(n int64) string {
			return fmt.Sprintf("<CommonPrefixes><Prefix>some/prefix//%020d/</Prefix></CommonPrefixes>", n)
		}, nil, 400},
		"the prefix again": {func(int64) string { return "<Contents><Key>some/prefix/</Key></Contents>" }, nil, 2 * maxStill},
	} {
		t.Run(name, func(t *testing.T) {
			var pages atomic.Int64
			srv := fakes3.New(t)
			s := newStore(t, srv, nil)
			s.maxBarren = 300
			srv.Fail(fakes3.Rule{Times: -1, Fault: func(w httpWriter, _ *fakes3.Call) {
				n := pages.Add(1)
				token := fmt.Sprint("token", n)
				if c.token != nil {
					token = c.token(n)
				}
				more := n < 2000 // one that goes on would take the test with it
				_, _ = fmt.Fprintf(w, "<ListBucketResult><Name>b</Name><IsTruncated>%t</IsTruncated>"+
					"<NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>", more, token, c.page(n))
			}})
			for range 2 { // the second time it may be known to be unordered
				pages.Store(0)
				var last error
				for _, last = range s.List(t.Context(), "", blob.ListOptions{}) {
				}
				if last == nil || pages.Load() > c.most {
					t.Errorf("got error %v after %d pages, want one after %d at most", last, pages.Load(), c.most)
				}
			}
		})
	}
}

// TestListUnordered: a store that lists in an order of its own gives the same.
func TestListUnordered(t *testing.T) {
	for _, size := range []int{3, 1000} {
		srv := fakes3.New(t)
		s := newStore(t, srv, nil)
		keys := plant(t, s, 40)
		mustWrite(t, s, "lock.json", nil)
		srv.Fail(fakes3.Rule{Match: fakes3.Op("ListObjectsV2"), Times: -1, Fault: fakes3.Unordered(size)})
		if size < len(keys) { // found out by the first page with more than a name, or by the second
			for range s.List(t.Context(), "", blob.ListOptions{}) {
			}
		}
		wantEqual(t, "all", listKeys(t, s, "", blob.ListOptions{}), append(slices.Clone(keys), "lock.json"))
		wantEqual(t, "level", listKeys(t, s, "", blob.ListOptions{Delimited: true}), []string{"0000/", "lock.json"})
		wantEqual(t, "two", listKeys(t, s, "0000/", blob.ListOptions{Limit: 2}), keys[:2])
		wantEqual(t, "after", listKeys(t, s, "0000/", blob.ListOptions{After: keys[29]}), keys[30:])
		if !s.unordered.Load() {
			t.Error("taken to list in order")
		}
		if err := s.Delete(t.Context(), keys[:10]); err != nil {
			t.Errorf("delete: %v", err)
		}
		srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Fault: fakes3.Pretend()})
		if err := s.Delete(t.Context(), keys[10:12]); err == nil || !strings.Contains(err.Error(), errKept.Error()) {
			t.Errorf("kept: got error %v", err)
		}
	}
}

// TestListKnownUnordered: where it is known, no listing is asked to begin anywhere.
func TestListKnownUnordered(t *testing.T) {
	for _, c := range []Config{{Bucket: "b", Endpoint: "https://gateway.storjshare.io"},
		{Bucket: "b", Endpoint: "gateway.eu1.storjshare.io"}, {Bucket: "b--usw2-az1--x-s3", Region: "us-west-2"}} {
		s, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if !s.unordered.Load() {
			t.Errorf("%v: taken to list in order", c)
		}
	}
}
