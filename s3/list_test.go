package s3

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
)

// plant writes n objects with names like those of LTX files.
func plant(t testing.TB, s *Store, n int) []string {
	t.Helper()
	keys := make([]string, n)
	var g errgroup.Group
	g.SetLimit(8)
	for i := range keys {
		keys[i] = fmt.Sprintf("0000/%016x-%016x.ltx", i+1, i+1)
		g.Go(func() error {
			_, err := s.Write(t.Context(), keys[i], strings.NewReader("x"), blob.WriteOptions{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestRequestBudget: 5,000 objects, listed, sought in, and deleted.
func TestRequestBudget(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	keys := plant(t, s, 5000)
	for _, c := range []struct {
		name string
		opts blob.ListOptions
		want []string
		gets int
	}{
		{"all", blob.ListOptions{Delimited: true}, keys, 5},
		{"the last ten", blob.ListOptions{After: keys[4989], Delimited: true}, keys[4990:], 1},
		{"nothing after the last", blob.ListOptions{After: keys[4999]}, []string{}, 1},
	} {
		srv.Reset()
		wantEqual(t, c.name, listKeys(t, s, "0000/", c.opts), c.want)
		if got := srv.Count(""); got != c.gets || srv.Count("ListObjectsV2") != got {
			t.Errorf("%s: %d requests, want %d", c.name, got, c.gets)
		}
	}
	srv.Reset()
	for range s.List(t.Context(), "", blob.ListOptions{}) {
		break
	}
	if got := srv.Count(""); got != 1 {
		t.Errorf("the first entry: %d requests, want 1", got)
	}
	srv.Reset()
	if err := s.Delete(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if posts, gets := srv.Count("DeleteObjects"), srv.Count("ListObjectsV2"); posts != 5 || gets != 1 ||
		srv.Count("") != 6 {
		t.Errorf("delete: %d POSTs and %d listings, want 5 and 1", posts, gets)
	}
}

// TestListLimitRequests: no page is larger than what is wanted, and none is
// fetched ahead for nobody.
func TestListLimitRequests(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	keys := plant(t, s, 2500)
	for _, c := range []struct {
		opts  blob.ListOptions
		want  []string
		pages []string // their max-keys
	}{
		{blob.ListOptions{Limit: 2}, keys[:2], []string{"2"}},
		{blob.ListOptions{Limit: 2, After: keys[1999]}, keys[2000:2002], []string{"2"}},
		{blob.ListOptions{Limit: 2, After: keys[2498]}, keys[2499:], []string{"2"}},
		{blob.ListOptions{Limit: 1000}, keys[:1000], []string{""}},
		{blob.ListOptions{Limit: 1001}, keys[:1001], []string{"", "1"}},
		{blob.ListOptions{Limit: 5000}, keys, []string{"", "", ""}},
	} {
		srv.Reset()
		c.opts.Delimited = true
		wantEqual(t, fmt.Sprintf("%+v", c.opts), listKeys(t, s, "0000/", c.opts), c.want)
		var pages []string
		for _, r := range srv.Requests() {
			pages = append(pages, r.Query.Get("max-keys"))
		}
		wantEqual(t, fmt.Sprintf("pages of %+v", c.opts), pages, c.pages)
	}
}

// TestListLimitForeign: what does not count is not counted.
func TestListLimitForeign(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	for i := range 5 {
		putRaw(t, srv, fmt.Sprintf("some/prefix//%d", i))
	}
	for _, key := range []string{"a", "b", "c"} {
		mustWrite(t, s, key, nil)
	}
	srv.Reset()
	wantEqual(t, "two", listKeys(t, s, "", blob.ListOptions{Limit: 2}), []string{"a", "b"})
	if got := srv.Count(""); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
}

// TestListBreakLeavesNothing: also not the page that is being fetched.
func TestListBreakLeavesNothing(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	plant(t, s, 1001)
	srv.Fail(fakes3.Rule{Match: func(r fakes3.Request) bool { return r.Query.Has("continuation-token") },
		Fault: fakes3.Hang()})
	n := 0
	for _, err := range s.List(t.Context(), "", blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 500 {
			break
		}
	}
	wantNoGoroutines(t)
}

// TestListFaults: a listing is whole, or an error; never a part, and never
// empty because of an error that was not recognized as one.
func TestListFaults(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{
		"503":            fakes3.Status(503, "SlowDown"),
		"dropped":        fakes3.DropReply(),
		"silence":        fakes3.Hang(),
		"cut":            fakes3.TruncateBody(5000),
		"stalled":        fakes3.StallBody(5000),
		"200 with error": fakes3.ErrorWith200("InternalError"),
		"no etags":       fakes3.NoETag(),
		"nothing":        func(httpWriter, *fakes3.Call) {},
		"a proxy's page": func(w httpWriter, _ *fakes3.Call) { _, _ = io.WriteString(w, "<html><p>welcome</p></html>") },
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, impatient)
			keys := plant(t, s, 1100)
			isList := func(r fakes3.Request) bool { return r.Op == "ListObjectsV2" && !r.Query.Has("continuation-token") }
			isNext := func(r fakes3.Request) bool { return r.Query.Has("continuation-token") }
			srv.Fail(fakes3.Rule{Match: isList, Fault: fault}, fakes3.Rule{Match: isNext, Fault: fault})
			wantEqual(t, "keys", listKeys(t, s, "", blob.ListOptions{}), keys)
		})
	}
}

// TestListForeign: what the store cannot have written is passed over.
func TestListForeign(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	all := newStore(t, srv, func(c *Config) { c.Path = "" })
	mustWrite(t, s, "a", nil)
	mustWrite(t, all, "some/prefixed", nil)
	for _, key := range []string{"some/prefix/", "some/prefix//x", "some/prefix/a//b", "some/prefix/../c"} {
		putRaw(t, srv, key)
	}
	wantEqual(t, "level", listKeys(t, s, "", blob.ListOptions{Delimited: true}), []string{"a", "a/"})
	putRaw(t, srv, "some/prefix/dir/")
	wantEqual(t, "keys", listKeys(t, s, "", blob.ListOptions{}), []string{"a"})
}

// putRaw writes a key that the store refuses.
func putRaw(t testing.TB, srv *fakes3.Server, key string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Path = "/" + srv.Bucket + "/" + key
	req.Header.Set("Authorization", "Credential="+fakes3.AccessKeyID+"/")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("put %s: %v, %v", key, res, err)
	}
	_ = res.Body.Close()
}

// TestListGetsOn: a listing ends, whatever the store answers.
func TestListGetsOn(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"elsewhere": {`<Contents><Key>other/b</Key></Contents><IsTruncated>false</IsTruncated>`, "not below the prefix"},
		"no way on": {`<Contents><Key>some/prefix/b</Key></Contents><IsTruncated>true</IsTruncated>`, "leads nowhere"},
		"in a circle": {`<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>`,
			"leads nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, nil)
			srv.Fail(fakes3.Rule{Times: -1, Fault: func(w httpWriter, _ *fakes3.Call) {
				_, _ = w.Write([]byte("<ListBucketResult>" + c.body + "</ListBucketResult>"))
			}})
			var last error
			for _, err := range s.List(t.Context(), "", blob.ListOptions{}) {
				last = err
			}
			if last == nil || !strings.Contains(last.Error(), c.want) {
				t.Errorf("got error %v, want one about %q", last, c.want)
			}
		})
	}
}

// TestListStoreIgnoresAfter: a store that lists from the start costs time, not
// correctness.
func TestListStoreIgnoresAfter(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	for _, key := range []string{"a", "b/x", "b/y", "c"} {
		mustWrite(t, s, key, nil)
	}
	srv.Fail(fakes3.Rule{Match: fakes3.Op("ListObjectsV2"), Times: -1, Fault: func(w httpWriter, c *fakes3.Call) {
		c.Forget("start-after")
		c.Send(w)
	}})
	wantEqual(t, "after b/x", listKeys(t, s, "", blob.ListOptions{After: "b/x"}), []string{"b/y", "c"})
	wantEqual(t, "level after a", listKeys(t, s, "", blob.ListOptions{After: "a", Delimited: true}), []string{"b/", "c"})
}

func TestNoSuchBucket(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.Bucket = "misspelt" })
	_, statErr := s.Stat(t.Context(), "k")
	_, openErr := s.Open(t.Context(), "k", 0, 0)
	_, writeErr := s.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{})
	var listErr error
	for _, listErr = range s.List(t.Context(), "", blob.ListOptions{}) {
	}
	for verb, err := range map[string]error{
		"Stat": statErr, "Open": openErr, "Write": writeErr, "List": listErr, "Delete": s.Delete(t.Context(), []string{"k"}),
	} {
		if !errors.Is(err, ErrNoSuchBucket) {
			t.Errorf("%s: got error %v, want %v", verb, err, ErrNoSuchBucket)
		}
	}
}

// TestMissingObjectRequests: whether the bucket exists is asked once.
func TestMissingObjectRequests(t *testing.T) {
	for _, status := range []int{200, 403} {
		srv := fakes3.New(t)
		s := newStore(t, srv, nil)
		if status != 200 {
			srv.Fail(fakes3.Rule{Match: fakes3.Op("HeadBucket"), Times: -1, Fault: fakes3.Status(status, "AccessDenied")})
		}
		for range 3 {
			if _, err := s.Stat(t.Context(), "absent"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got error %v", err)
			}
		}
		if heads, buckets := srv.Count("HeadObject"), srv.Count("HeadBucket"); heads != 3 || buckets != 1 {
			t.Errorf("%d HEADs of objects and %d of the bucket, want 3 and 1", heads, buckets)
		}
	}
}
