package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/lease"
)

// save writes a document into a file and returns its name.
func save(t *testing.T, doc any) string {
	t.Helper()
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "lease.json")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A lease in a bucket, by hand. No secret is shown.
func TestLeaseOnS3(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	url := "s3://" + fakes3.Bucket + "/db?endpoint=" + srv.URL
	acquired := ask[leaseGrantDoc](t, "lease", "acquire", url)
	renewed := ask[leaseGrantDoc](t, "lease", "renew", url, "--lease", save(t, acquired))
	code, _, stderr := replctl(t, "lease", "renew", url, "--lease", save(t, acquired))
	if code != exitLost {
		t.Errorf("got exit code %d, want %d", code, exitLost)
	}
	released := ask[leaseGrantDoc](t, "lease", "release", url, "--lease", save(t, renewed))
	refused, _, why := replctl(t, "lease", "acquire", strings.Replace(url, "http://", "http://user:password@", 1))
	if shown := fmt.Sprint(acquired, renewed, released, stderr, why); refused == exitOK ||
		strings.Contains(shown, "password") || strings.Contains(shown, fakes3.SecretAccessKey) {
		t.Errorf("secrets are shown: %s", shown)
	}
	if got := ask[leaseShowDoc](t, "lease", "show", url); got.State != "released" || got.Generation != 1 {
		t.Errorf("in the end: %+v", got)
	}
}

// A renewal by another process than the one that acquired goes by the store's clock,
// too: with a clock that is an hour fast it would write what is corrupt to all others.
func TestRenewLooksAtTheStore(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	url := "s3://" + fakes3.Bucket + "/db?endpoint=" + srv.URL
	name := save(t, ask[leaseGrantDoc](t, "lease", "acquire", url))
	srv.Reset()
	ask[leaseGrantDoc](t, "lease", "renew", url, "--lease", name)
	var ops []string
	for _, r := range srv.Requests() {
		ops = append(ops, r.Op)
	}
	if got, want := strings.Join(ops, " "), "GetObject PutObject"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The timetable in the help leaves time for three renewals, for every TTL and grace
// that are let through.
func TestExecTimes(t *testing.T) {
	for _, ttl := range []time.Duration{minTTL, time.Second, 30 * time.Second, mostTTL} {
		for _, grace := range []time.Duration{0, ttl / 10, ttl / 2} {
			f := execFlags{leaseFlags: leaseFlags{ttl: ttl}, grace: grace}
			o := f.sessionOptions(nil)
			if 3*o.RenewEvery+o.Guard > ttl || o.RenewEvery <= 0 || o.Guard-grace != ttl/10 || o.TTL != ttl {
				t.Errorf("ttl %v, grace %v: %+v", ttl, grace, o)
			}
		}
	}
}

func TestSettle(t *testing.T) {
	unknown := fmt.Errorf("write: %w", cas.ErrIndeterminate)
	for _, tt := range []struct {
		errs  []error
		want  error
		calls int
	}{
		{[]error{nil}, nil, 1},
		{[]error{unknown, unknown, nil}, nil, 3},
		{[]error{unknown, io.EOF}, io.EOF, 2},
		{[]error{unknown, io.EOF}, cas.ErrIndeterminate, 2}, // the first write may have been done
		{[]error{unknown, replicate.ErrLeaseNotHeld}, replicate.ErrLeaseNotHeld, 2},
		{[]error{io.EOF}, io.EOF, 1},
		{[]error{unknown, unknown, unknown, nil}, cas.ErrIndeterminate, 3},
	} {
		calls := 0
		err := settle(t.Context(), func() error {
			calls++
			return tt.errs[calls-1]
		})
		if !errors.Is(err, tt.want) || calls != tt.calls {
			t.Errorf("%v: got %v after %d calls, want %v after %d", tt.errs, err, calls, tt.want, tt.calls)
		}
	}
}

func TestLeaseFailure(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{&replicate.LeaseExistsError{Owner: "x\x1b[31m\n"}, exitNotAcquired},
		{fmt.Errorf("renew: %w: %w", replicate.ErrLeaseNotHeld, replicate.ErrLeaseCorrupt), exitLost},
		{lease.ErrLost, exitLost},
		{replicate.ErrLeaseAlreadyReleased, exitFailure},
		{fmt.Errorf("%w: \x1b[31m", replicate.ErrLeaseCorrupt), exitDamage},
		{cas.ErrIndeterminate, exitFailure},
		{errors.Join(cas.ErrIndeterminate, context.Canceled), exitFailure},
		{io.EOF, exitFailure},
	} {
		var talk strings.Builder
		a := &app{stderr: &talk}
		if code := a.exitCode(leaseFailure(fmt.Errorf("lease: %w", tt.err), "dir")); code != tt.code ||
			strings.Contains(talk.String(), "\x1b") {
			t.Errorf("%v: got %d and %q, want %d", tt.err, code, talk.String(), tt.code)
		}
	}
}

// A reader of standard error that has stopped does not hold up a lease.
func TestReporterDoesNotBlock(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	report := (&app{stderr: w}).newReporter()
	for range 1000 {
		report.event(lease.Event{Kind: lease.EventLost, Err: io.EOF})
	}
	report.close()
	report.say("too late")
}

// A waiter is told of each holder that the session tells of; and of the first renewal that
// fails, not of each.
func TestReporterSaysWhatIsNew(t *testing.T) {
	held := func(owner string, generation int64) lease.Event {
		exists := &replicate.LeaseExistsError{Owner: owner, Generation: generation, ExpiresAt: time.Unix(0, 0)}
		return lease.Event{Kind: lease.EventWaiting, Err: exists}
	}
	events := []lease.Event{
		held("a", 1), held("a", 2), held("b", 3), {Kind: lease.EventWaiting, Err: io.EOF}, held("b", 0),
		{Kind: lease.EventAcquired}, {Kind: lease.EventRenewed}, {Kind: lease.EventAmbiguous},
		{Kind: lease.EventRenewFailed, Err: io.EOF}, {Kind: lease.EventRenewFailed, Err: io.EOF},
		{Kind: lease.EventRenewed}, {Kind: lease.EventRenewed},
		{Kind: lease.EventLost, Err: errors.New("over\nand\x1b out")}, {Kind: lease.EventReleased},
		{Kind: lease.EventSkew, Skew: time.Minute},
	}
	for verbose, want := range map[bool][]string{
		false: {
			"waiting, held by \"a\" until 1970-01-01 00:00:00Z, generation 1",
			"waiting, held by \"a\" until 1970-01-01 00:00:00Z, generation 2",
			"waiting, held by \"b\" until 1970-01-01 00:00:00Z, generation 3",
			"waiting: EOF", "waiting, held by \"b\" until 1970-01-01 00:00:00Z", "acquired",
			"renewal failed", "renewed", "lost: over and\\x1b out", "released",
		},
		true: {
			"waiting, held by \"a\" until 1970-01-01 00:00:00Z, generation 1",
			"waiting, held by \"a\" until 1970-01-01 00:00:00Z, generation 2",
			"waiting, held by \"b\" until 1970-01-01 00:00:00Z, generation 3",
			"waiting: EOF", "waiting, held by \"b\" until 1970-01-01 00:00:00Z", "acquired",
			"renewed", "ambiguous", "renewal failed", "renewal failed", "renewed", "renewed",
			"lost: over and\\x1b out", "released", "the store's clock is ahead by 1m0s",
		},
	} {
		var talk strings.Builder
		report := (&app{stderr: &talk, verbose: verbose}).newReporter()
		for _, e := range events {
			report.event(e)
		}
		report.close()
		got := strings.Split(strings.TrimSuffix(talk.String(), "\n"), "\n")
		for i, line := range got {
			if i >= len(want) || !strings.HasPrefix(line, "replctl: lease: "+want[i]) {
				t.Errorf("verbose %v: line %d is %q, want %q", verbose, i, line, want[min(i, len(want)-1)])
			}
		}
		if len(got) != len(want) {
			t.Errorf("verbose %v: got %d lines, want %d", verbose, len(got), len(want))
		}
	}
}
