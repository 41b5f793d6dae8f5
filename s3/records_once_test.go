package s3

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/mutant"
)

// TestSentOnce: a PUT whose answer says nothing is not repeated, whatever the
// environment tells the SDK.
func TestSentOnce(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "5")
	t.Setenv("AWS_RETRY_MODE", "adaptive")
	testSentOnce(t)
}

func testSentOnce(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{
		"DropReply": fakes3.DropReply(), "DropRequest": fakes3.DropRequest(),
		"Applied":  fakes3.ApplyThen(500, "InternalError"),
		"SlowDown": fakes3.Status(503, "SlowDown"), "Throttled": fakes3.Status(429, "TooManyRequests"),
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			r := newRecords(t, srv, nil)
			// On a connection that was used before, net/http repeats what it may.
			if _, err := r.Read(t.Context(), "k", ""); err != nil {
				t.Fatal(err)
			}
			srv.Reset()
			srv.Fail(fakes3.Rule{Fault: fault})
			_, err := r.Write(t.Context(), "k", []byte("x"), "")
			wantOnly(t, name, err, cas.ErrIndeterminate)
			if n := srv.Count(""); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
	t.Run("Superseded", testSuperseded)
}

// testSuperseded is what a repetition does harm to: the write is applied, its
// answer lost, the record replaced. Repeated, it is refused, and seems never to
// have been there.
func testSuperseded(t *testing.T) {
	srv := fakes3.New(t)
	r, rival := newRecords(t, srv, nil), newRecords(t, srv, nil)
	know(t, r)
	srv.Fail(fakes3.Rule{Fault: func(w httpWriter, c *fakes3.Call) {
		c.Apply()
		rec, err := rival.Read(context.Background(), "k", "")
		if err == nil {
			_, err = rival.Write(context.Background(), "k", []byte("rival"), rec.Token)
		}
		if err != nil {
			t.Error(err)
		}
		fakes3.Status(500, "InternalError")(w, c)
	}})
	_, err := r.Write(t.Context(), "k", []byte("x"), "")
	wantOnly(t, "superseded", err, cas.ErrIndeterminate)
}

// TestRetryingMutant: retries by the SDK are noticed, by the count and by the
// harm that they do.
func TestRetryingMutant(t *testing.T) {
	for _, subtest := range []string{"DropReply", "Superseded"} {
		t.Run(subtest, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				plantBug = func(r *Records) {
					r.s.c.API = awss3.New(r.s.c.API.Options(), func(o *awss3.Options) {
						o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
					})
				}
				testSentOnce(t)
			}, subtest)
		})
	}
}

// TestTrustingMutant: a 412 taken for a refusal without looking is noticed.
func TestTrustingMutant(t *testing.T) {
	mutant.MustFail(t, func(t *testing.T) {
		settle = func(*put, context.Context, bool, error) (cas.Written, error) { return cas.Written{}, cas.ErrConflict }
		TestVerdicts(t)
	}, "applied,_then_412")
}
