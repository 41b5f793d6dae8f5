package cli

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
)

// probeThrough probes a fake server through a proxy, and returns the exit code and
// the document.
func probeThrough(t *testing.T, srv *fakes3.Server, proxy http.Handler) (int, probeDoc) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	front := httptest.NewServer(proxy)
	defer front.Close()
	code, stdout, stderr := replctl(t, "probe", "s3://"+srv.Bucket+"/db", "--endpoint", front.URL, "--rounds", "5",
		"--writers", "8", "--json")
	if talk := unasked(stderr); talk != "" {
		t.Errorf("talk: %s", talk)
	}
	return code, decode[probeDoc](t, "probe --json", stdout)
}

func forward(t *testing.T, srv *fakes3.Server, change func(*http.Request)) http.Handler {
	t.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		if change != nil {
			change(r.Out)
		}
	}}
}

func probeResults(doc probeDoc, result string) (names []string) {
	for _, c := range doc.Checks {
		if c.Result == result {
			names = append(names, c.Name)
		}
	}
	return names
}

// wantNothingLeft: no object is in the bucket, by the server's own listing.
func wantNothingLeft(t *testing.T, srv *fakes3.Server, doc probeDoc) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/"+srv.Bucket+"?list-type=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+fakes3.AccessKeyID+"/x")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(body), "<ListBucketResult") || strings.Contains(string(body), "<Key>") ||
		len(doc.Left) > 0 {
		t.Errorf("left: %q, %s, %v", doc.Left, body, err)
	}
}

// TestProbeConformant: the server itself.
func TestProbeConformant(t *testing.T) {
	srv := fakes3.New(t)
	code, doc := probeThrough(t, srv, forward(t, srv, nil))
	if code != exitOK || doc.Verdict != "conformant" || doc.Rounds != 5 || doc.Writers != 8 ||
		!strings.Contains(doc.URL, "s3://"+srv.Bucket+"/db") {
		t.Errorf("exit code %d: %+v", code, doc)
	}
	for _, name := range []string{"etag-quotes", "conditional-delete", "clock-offset", "write-rate", "same-bytes"} {
		if !slices.Contains(probeResults(doc, "recorded"), name) {
			t.Errorf("%s is not recorded", name)
		}
	}
	wantNothingLeft(t, srv, doc)
}

// TestProbeViolations: proxies that make a good server a bad one.
func TestProbeViolations(t *testing.T) {
	for name, c := range map[string]struct {
		proxy func(*testing.T, *fakes3.Server) http.Handler
		want  string
	}{
		"drops If-Match": {func(t *testing.T, srv *fakes3.Server) http.Handler {
			return forward(t, srv, func(r *http.Request) { r.Header.Del("If-Match") })
		}, "if-match-stale"},
		"drops If-None-Match": {func(t *testing.T, srv *fakes3.Server) http.Handler {
			return forward(t, srv, func(r *http.Request) { r.Header.Del("If-None-Match") })
		}, "create-once"},
		"no atomicity": {func(t *testing.T, srv *fakes3.Server) http.Handler {
			srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Times: -1, Fault: fakes3.CheckThenAct(20 * time.Millisecond)})
			return forward(t, srv, nil)
		}, "create-race"},
		"stale reads": {staleProxy, "read-after-write"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			code, doc := probeThrough(t, srv, c.proxy(t, srv))
			if code != exitViolation || doc.Verdict != "violation" || !slices.Contains(probeResults(doc, "failed"), c.want) {
				t.Errorf("exit code %d: %+v", code, doc)
			}
			srv.Reset()
			wantNothingLeft(t, srv, doc)
		})
	}
}

// staleProxy answers a GET of an object as it did the first of five in a row.
func staleProxy(t *testing.T, srv *fakes3.Server) http.Handler {
	type answer struct {
		rec   *httptest.ResponseRecorder
		again int
	}
	next := forward(t, srv, nil)
	var mu sync.Mutex
	kept := map[string]*answer{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Query().Has("list-type") {
			next.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		a, ok := kept[r.URL.Path]
		if !ok || a.again == 0 {
			a = &answer{httptest.NewRecorder(), 5}
			next.ServeHTTP(a.rec, r)
			kept[r.URL.Path] = a
		}
		a.again--
		for name, values := range a.rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(a.rec.Code)
		_, _ = w.Write(a.rec.Body.Bytes())
	})
}

// TestProbeServerGone: in the middle of it nothing can be read or written any more,
// and is again when it is time to clean up.
func TestProbeServerGone(t *testing.T) {
	srv := fakes3.New(t)
	var n atomic.Int32
	data := fakes3.Op("GetObject", "PutObject")
	srv.Fail(fakes3.Rule{Match: func(r fakes3.Request) bool { return data(r) && n.Add(1) > 80 }, Times: -1,
		Fault: fakes3.DropRequest()})
	code, doc := probeThrough(t, srv, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy := forward(t, srv, nil).(*httputil.ReverseProxy)
		proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
		proxy.ServeHTTP(w, r)
	}))
	if code != exitInconclusive || doc.Verdict != "inconclusive" || len(probeResults(doc, "failed")) > 0 ||
		len(probeResults(doc, "passed")) == 0 {
		t.Errorf("exit code %d: %+v", code, doc)
	}
	wantNothingLeft(t, srv, doc)
}

// TestProbeText: what could not be deleted is named, in a table that fits.
func TestProbeText(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Times: -1,
		Fault: fakes3.Status(http.StatusForbidden, "AccessDenied")})
	code, stdout, _ := replctl(t, "probe", "s3://"+srv.Bucket+"/db", "--endpoint", srv.URL,
		"--rounds", "4", "--writers", "2")
	if code != exitInconclusive || !strings.Contains(stdout, "inconclusive  not found out: list-after-write\n") ||
		!strings.Contains(stdout, "\nleft  may still be there, below probe-") ||
		!strings.Contains(stdout, "more (--json names all)") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

// TestProbeInterrupted ends the command's context in the middle of it.
func TestProbeInterrupted(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int32
	srv.Fail(fakes3.Rule{Match: func(fakes3.Request) bool {
		if n.Add(1) == 100 {
			cancel()
		}
		return false
	}, Times: -1})
	var out, talk strings.Builder
	a := &app{stdout: &out, stderr: &talk}
	root := newRootCommand(a)
	root.SetArgs([]string{"probe", "s3://" + srv.Bucket + "/db", "--endpoint", srv.URL, "--json"})
	code := a.exitCode(root.ExecuteContext(ctx))
	doc := decode[probeDoc](t, "probe --json", out.String())
	if code != exitInconclusive || doc.Verdict != "inconclusive" {
		t.Errorf("exit code %d: %+v\n%s", code, doc, talk.String())
	}
	wantNothingLeft(t, srv, doc)
}
