package s3

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
)

// deleteErrors are the keys of the DeleteErrors in err, and nothing else may be
// in it.
func deleteErrors(t testing.TB, err error) []string {
	t.Helper()
	var keys []string
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got error %v, want joined ones", err)
	}
	for _, e := range joined.Unwrap() {
		var de *blob.DeleteError
		if !errors.As(e, &de) {
			t.Fatalf("%v: not a *blob.DeleteError", e)
		}
		keys = append(keys, de.Key)
	}
	return keys
}

// answerDelete answers DeleteObjects with the given elements.
func answerDelete(elements string) fakes3.Fault {
	return func(w httpWriter, _ *fakes3.Call) {
		_, _ = fmt.Fprintf(w, "<DeleteResult>%s</DeleteResult>", elements)
	}
}

func TestDeleteErrorsPerKey(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Fault: answerDelete(
		`<Deleted><Key>some/prefix/a</Key></Deleted>` +
			`<Error><Key>some/prefix/b</Key><Code>AccessDenied</Code><Message>no</Message></Error>` +
			`<Error><Key>some/prefix/d</Key><Code>NoSuchKey</Code></Error>`,
	)})
	err := s.Delete(t.Context(), []string{"a", "b", "c", "d"})
	wantEqual(t, "failed", deleteErrors(t, err), []string{"b", "c"})
	if !errors.Is(err, fs.ErrPermission) || !errors.Is(err, errUnmentioned) {
		t.Errorf("causes: %v", err)
	}
}

// TestDeleteRetriesKeys: keys that failed in passing are tried again, and only
// they.
func TestDeleteRetriesKeys(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	for _, key := range []string{"a", "b"} {
		mustWrite(t, s, key, nil)
	}
	srv.Reset()
	srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Fault: answerDelete(
		`<Deleted><Key>some/prefix/a</Key></Deleted><Error><Key>some/prefix/b</Key><Code>InternalError</Code></Error>`,
	)})
	err := s.Delete(t.Context(), []string{"a", "b"})
	wantEqual(t, "failed", deleteErrors(t, err), []string{"a"}) // the fake did not delete it
	if n := srv.Count("DeleteObjects"); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	if _, err := s.Stat(t.Context(), "b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("b: %v", err)
	}
}

func TestDeleteFaults(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{
		"503":            fakes3.Status(503, "SlowDown"),
		"lost":           fakes3.DropReply(),
		"silence":        fakes3.Hang(),
		"200 with error": fakes3.ErrorWith200("InternalError"),
		"cut":            fakes3.TruncateBody(100),
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, impatient)
			keys := plant(t, s, 3)
			srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Fault: fault})
			if err := s.Delete(t.Context(), keys); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "left", listKeys(t, s, "", blob.ListOptions{}), []string{})
		})
	}
}

// TestDeleteKept: "Deleted" says the store, and keeps the object (litestream
// #976). The caller hears of each.
func TestDeleteKept(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	keys := plant(t, s, 1200)
	gone := slices.Clone(keys[:100])
	if err := s.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Times: -1, Fault: fakes3.Pretend()})
	// Keys that are gone, and two that are not, a page apart.
	err := s.Delete(t.Context(), append(gone, keys[150], keys[1199]))
	wantEqual(t, "kept", deleteErrors(t, err), []string{keys[150], keys[1199]})
	if !errors.Is(err, errKept) {
		t.Errorf("got error %v, want %v", err, errKept)
	}
	trusting := newStore(t, srv, func(c *Config) { c.TrustDeletes = true })
	srv.Reset()
	srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Times: -1, Fault: fakes3.Pretend()})
	if err := trusting.Delete(t.Context(), keys[150:151]); err != nil || srv.Count("") != 1 {
		t.Errorf("TrustDeletes: error %v, %d requests", err, srv.Count(""))
	}
}

// TestDeleteScattered: keys far apart, with many between that stay.
func TestDeleteScattered(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	keys := plant(t, s, 3500)
	srv.Reset()
	if err := s.Delete(t.Context(), []string{keys[3400], keys[0], keys[1], "zzz"}); err != nil {
		t.Fatal(err)
	}
	if n := srv.Count("ListObjectsV2"); n != 2 {
		t.Errorf("verified with %d listings, want 2", n)
	}
}

// TestDeleteShortPage: a page that ends before the key in question says nothing
// about it, and HEAD is asked.
func TestDeleteShortPage(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	mustWrite(t, s, "dir/k", nil)
	srv.Fail(
		fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Fault: fakes3.Pretend()},
		fakes3.Rule{Match: fakes3.Op("ListObjectsV2"), Fault: func(w httpWriter, _ *fakes3.Call) {
			_, _ = io.WriteString(w, "<ListBucketResult><Contents><Key>some/prefix/a</Key></Contents>"+
				"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>")
		}},
	)
	err := s.Delete(t.Context(), []string{"dir/k"})
	wantEqual(t, "kept", deleteErrors(t, err), []string{"dir/k"})
}

// TestDeleteWithoutList: who may delete and not list is believed.
func TestDeleteWithoutList(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	keys := plant(t, s, 3)
	srv.Fail(fakes3.Rule{Match: fakes3.Op("ListObjectsV2"), Times: -1, Fault: fakes3.Status(403, "AccessDenied")})
	if err := s.Delete(t.Context(), keys); err != nil {
		t.Error(err)
	}
}

func TestDeleteContentMD5(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   bool
	}{
		"default": {nil, true},
		"yes":     {func(c *Config) { c.RequireContentMD5 = true }, true},
		"no":      {func(c *Config) { c.fromURL.contentMD5 = no }, false},
	} {
		srv := fakes3.New(t)
		if err := newStore(t, srv, c.change).Delete(t.Context(), []string{"k"}); err != nil {
			t.Fatal(err)
		}
		for _, r := range srv.Requests() {
			if r.Op == "DeleteObjects" && (r.Header.Get("Content-Md5") != "") != c.want {
				t.Errorf("%s: Content-MD5 %q", name, r.Header.Get("Content-Md5"))
			}
		}
	}
}

// TestDeleteParallel: requests come together, twice as many as a Concurrency says, and
// no more than eight.
func TestDeleteParallel(t *testing.T) {
	keys := make([]string, 12*deleteBatch)
	for i := range keys {
		keys[i] = fmt.Sprintf("%05d", i)
	}
	for concurrency, want := range map[int]int64{1: 2, 4: 8, 100: 8} {
		srv := fakes3.New(t)
		s := newStore(t, srv, func(c *Config) { c.Concurrency, c.TrustDeletes = concurrency, true })
		var now, most atomic.Int64
		var once sync.Once
		together := make(chan struct{})
		srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Times: -1, Fault: func(w httpWriter, c *fakes3.Call) {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			if n == want {
				once.Do(func() { close(together) })
			}
			select {
			case <-together:
				time.Sleep(20 * time.Millisecond) // for one that comes too many
			case <-time.After(10 * time.Second):
				t.Errorf("concurrency %d: only %d requests came together, want %d", concurrency, n, want)
			}
			c.Send(w)
		}})
		if err := s.Delete(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		if got := most.Load(); got != want {
			t.Errorf("concurrency %d: %d requests at a time, want %d", concurrency, got, want)
		}
	}
}

func TestKeyBefore(t *testing.T) {
	for _, key := range []string{"a", "0000/0000000000000001-0000000000000001.ltx", "x0", "é", "\ue000", "a/!", "b "} {
		got := keyBefore(key)
		if got >= key || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0xFFFD }) {
			t.Errorf("keyBefore(%q) = %q", key, got)
		}
	}
}

// TestDeleteWithoutBatches: a store that has no DeleteObjects is asked once.
func TestDeleteWithoutBatches(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	keys := plant(t, s, 20)
	srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Times: -1, Fault: fakes3.Status(501, "NotImplemented")},
		fakes3.Rule{Match: fakes3.Op("DeleteObject"), Times: 3, Fault: fakes3.Status(503, "SlowDown")},
		fakes3.Rule{Match: func(r fakes3.Request) bool {
			return r.Op == "DeleteObject" &&
				strings.HasSuffix(r.Key, keys[7])
		}, Times: -1, Fault: fakes3.Status(403, "AccessDenied")})
	err := s.Delete(t.Context(), append(keys[:10:10], "0000/absent"))
	var failed *blob.DeleteError
	if !errors.As(err, &failed) || failed.Key != keys[7] || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got error %v, want one about %s", err, keys[7])
	}
	wantEqual(t, "left", listKeys(t, s, "", blob.ListOptions{}), append([]string{keys[7]}, keys[10:]...))
	if err := s.Delete(t.Context(), keys[10:]); err != nil {
		t.Error(err)
	}
	if n := srv.Count("DeleteObjects"); n != 1 {
		t.Errorf("DeleteObjects was tried %d times, want 1", n)
	}
}
