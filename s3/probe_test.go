package s3

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/probe"
	"github.com/replctl/replicate/s3/internal/lineage"
	"github.com/replctl/replicate/s3/internal/transport"
)

// quickTarget is the target of a fake server, with handles that retry after
// milliseconds, and objects that do so for so long.
func quickTarget(t testing.TB, srv *fakes3.Server, retry time.Duration) probe.Target {
	target := newLeaser(t, srv, "").ProbeTarget()
	records, objects := target.Records, target.Objects
	target.Records = func(ctx context.Context) (cas.Store, error) {
		s, err := records(ctx)
		if err == nil {
			quick(s.(probed).Records)
		}
		return s, err
	}
	target.Objects = func(ctx context.Context) (blob.Store, error) {
		s, err := objects(ctx)
		if err == nil {
			s.(*Store).c.Backoff = transport.Backoff{Base: time.Millisecond, Max: 5 * time.Millisecond}
			s.(*Store).cfg.RetryTimeout = retry
		}
		return s, err
	}
	return target
}

func runProbe(t testing.TB, ctx context.Context, srv *fakes3.Server) *probe.Report {
	t.Helper()
	return runProbeFor(t, ctx, srv, time.Minute)
}

// runProbeFor is runProbe where requests about objects may never succeed.
func runProbeFor(t testing.TB, ctx context.Context, srv *fakes3.Server, retry time.Duration) *probe.Report {
	t.Helper()
	opts := probe.Options{Rounds: 4, Writers: 6, CleanupTimeout: 8 * retry}
	report, err := probe.Run(ctx, quickTarget(t, srv, retry), opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		t.Logf("%s: %s: %s", c.Name, c.Result, c.Evidence)
	}
	return report
}

// inBucket are the keys in the server's bucket, below the leaser's path.
func inBucket(t testing.TB, srv *fakes3.Server) (keys []string) {
	t.Helper()
	for info, err := range newStore(t, srv, nil).List(context.Background(), "", blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func wantClean(t testing.TB, srv *fakes3.Server, report *probe.Report) {
	t.Helper()
	if len(report.Left) > 0 || report.CleanupErr != nil {
		t.Errorf("left, as the report says: %q, %v", report.Left, report.CleanupErr)
	}
	srv.Reset()
	if keys := inBucket(t, srv); len(keys) > 0 {
		t.Errorf("left in the bucket: %q", keys)
	}
}

func failed(report *probe.Report) (names []string) {
	for _, c := range report.Checks {
		if c.Result == probe.Failed {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestProbe(t *testing.T) {
	srv := fakes3.New(t)
	report := runProbe(t, t.Context(), srv)
	if report.Verdict != probe.Conformant || report.Err() != nil {
		t.Errorf("verdict %s: %v", report.Verdict, report.Err())
	}
	for name, want := range map[string]string{
		"multipart-race":     "exactly one won",
		"same-bytes":         "leaves the version as it is",
		"etag-quotes":        "with quotes and without",
		"conditional-delete": "ignored",
		"clock-offset":       "none to be seen",
		"write-rate":         "none turned away",
		"if-match-missing":   "http 404",
	} {
		i := slices.IndexFunc(report.Checks, func(c probe.Check) bool { return c.Name == name })
		if i < 0 || !strings.Contains(report.Checks[i].Evidence, want) {
			t.Errorf("%s: want evidence %q", name, want)
		}
	}
	for _, r := range srv.Requests() {
		if r.Key != "" && !strings.HasPrefix(r.Key, "some/prefix/"+report.Prefix) {
			t.Errorf("%s of %s, outside of %s", r.Op, r.Key, report.Prefix)
		}
	}
	wantClean(t, srv, report)
}

// TestProbeCatches: each of the lies has a check that names it.
func TestProbeCatches(t *testing.T) {
	writes := fakes3.Op("PutObject", "CompleteMultipartUpload")
	for name, c := range map[string]struct {
		rule fakes3.Rule
		want []string
	}{
		"If-Match dropped": {
			fakes3.Rule{Match: writes, Fault: fakes3.DropHeaders("If-Match")},
			[]string{"if-match-stale", "if-match-missing", "if-match-race", "increments"},
		},
		"If-None-Match dropped": {
			fakes3.Rule{Match: writes, Fault: fakes3.DropHeaders("If-None-Match")},
			[]string{"create-once", "create-race", "create-only-object"},
		},
		"no atomicity": {
			fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: fakes3.CheckThenAct(20 * time.Millisecond)},
			[]string{"create-race", "if-match-race", "increments", "create-only-object"},
		},
		"stale reads": {
			fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.StaleRead()},
			[]string{"read-after-write"},
		},
		"some stale reads": {
			fakes3.Rule{Match: everyThird("GetObject"), Fault: fakes3.StaleRead()},
			[]string{"read-after-write"},
		},
		"stale listings": {
			fakes3.Rule{Match: fakes3.Op("ListObjectsV2"), Fault: fakes3.StaleRead(), Times: 5},
			[]string{"list-after-write"},
		},
		"no conditions, and it says so": {
			fakes3.Rule{Match: writes, Fault: fakes3.Status(http.StatusNotImplemented, "NotImplemented")},
			[]string{"read-after-write"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := fakes3.New(t)
			if c.rule.Times == 0 {
				c.rule.Times = -1
			}
			srv.Fail(c.rule)
			report := runProbe(t, t.Context(), srv)
			if got := failed(report); report.Verdict != probe.Violation || !slices.Equal(got, c.want) {
				t.Errorf("verdict %s, failed %q, want %q", report.Verdict, got, c.want)
			}
			if err := report.Err(); err == nil || !strings.Contains(err.Error(), c.want[0]+": ") {
				t.Errorf("the error does not name the check: %v", err)
			}
			wantClean(t, srv, report)
		})
	}
}

// TestProbeWithoutMetadata: leases need none. A store that drops it only leaves
// more writes unknown.
func TestProbeWithoutMetadata(t *testing.T) {
	srv := fakes3.New(t)
	srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Times: -1,
		Fault: fakes3.DropHeaders("X-Amz-Meta-" + lineage.Name)})
	report := runProbe(t, t.Context(), srv)
	if report.Verdict != probe.Conformant {
		t.Errorf("verdict %s: %v", report.Verdict, report.Err())
	}
	wantClean(t, srv, report)
}

func everyThird(op string) func(fakes3.Request) bool {
	var seen atomic.Int32
	return func(r fakes3.Request) bool { return r.Op == op && seen.Add(1)%3 == 0 }
}

// TestProbeMultipart: no lease is in danger where only completions ignore the
// condition (gofakes3 does), but it is recorded.
func TestProbeMultipart(t *testing.T) {
	srv := fakes3.New(t)
	srv.Fail(fakes3.Rule{Match: fakes3.Op("CompleteMultipartUpload"), Times: -1,
		Fault: fakes3.DropHeaders("If-None-Match")})
	report := runProbe(t, t.Context(), srv)
	i := slices.IndexFunc(report.Checks, func(c probe.Check) bool { return c.Name == "multipart-race" })
	if report.Verdict != probe.Conformant || report.Checks[i].Result != probe.Noted ||
		!strings.Contains(report.Checks[i].Evidence, "not safe from a rival") {
		t.Errorf("verdict %s, %+v", report.Verdict, report.Checks[i])
	}
	wantClean(t, srv, report)
}

// after matches all requests but the first n.
func after(n int32) func(fakes3.Request) bool {
	var seen atomic.Int32
	return func(fakes3.Request) bool { return seen.Add(1) > n }
}

// TestProbeServerDown: from some request on, nothing is answered.
func TestProbeServerDown(t *testing.T) {
	for _, n := range []int32{0, 2, 20, 100, 250} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			srv := fakes3.New(t)
			srv.Fail(fakes3.Rule{Match: after(n), Times: -1, Fault: fakes3.DropRequest()})
			report := runProbeFor(t, t.Context(), srv, time.Second/4)
			if report.Verdict != probe.Inconclusive || report.Err() == nil {
				t.Errorf("verdict %s, failed %q", report.Verdict, failed(report))
			}
			srv.Reset()
			keys := inBucket(t, srv)
			for _, key := range keys {
				if !slices.Contains(report.Left, key) {
					t.Errorf("%s is left and not named", key)
				}
			}
			if wrote := n > 0; wrote != (report.CleanupErr != nil) || wrote != (len(keys) > 0) {
				t.Errorf("%d keys left, %v", len(keys), report.CleanupErr)
			}
		})
	}
}

// TestProbeServerBack: the server is away for a while, and there again when it is
// time to clean up.
func TestProbeServerBack(t *testing.T) {
	srv := fakes3.New(t)
	srv.Fail(fakes3.Rule{Match: after(60), Times: 60, Fault: fakes3.DropReply()})
	report := runProbe(t, t.Context(), srv)
	if report.Verdict != probe.Inconclusive {
		t.Errorf("verdict %s, failed %q", report.Verdict, failed(report))
	}
	wantClean(t, srv, report)
}

// TestProbeInterrupted: the context of the probe ends while writers race.
func TestProbeInterrupted(t *testing.T) {
	srv := fakes3.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	late := after(120)
	srv.Fail(fakes3.Rule{Match: func(r fakes3.Request) bool {
		if late(r) {
			cancel()
		}
		return false
	}, Times: -1})
	report := runProbe(t, ctx, srv)
	if report.Verdict != probe.Inconclusive {
		t.Errorf("verdict %s, failed %q", report.Verdict, failed(report))
	}
	wantClean(t, srv, report)
	wantNoGoroutines(t)
}
