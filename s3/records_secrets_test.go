package s3

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
)

// TestLeaserNoSecrets is TestNoSecrets for leases.
func TestLeaserNoSecrets(t *testing.T) {
	const token = "session-token-hunter2"
	customerKey := base64.StdEncoding.EncodeToString([]byte("hunter2-hunter2-hunter2-hunter2-"))
	var out lockedBuffer
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for name, fault := range map[string]fakes3.Fault{
		"none":      nil,
		"forbidden": fakes3.Status(403, "SignatureDoesNotMatch"),
		"broken":    fakes3.Status(500, "InternalError"),
		"dropped":   fakes3.DropRequest(),
		"garbage":   proxyPage(500),
		"refused":   fakes3.Status(412, "PreconditionFailed"),
		"header":    fakes3.Status(400, "InvalidArgument"),
	} {
		srv := fakes3.New(t)
		l := newLeaser(t, srv, "me")
		l.SessionToken, l.SSECustomerKey = token, customerKey
		l.SetLogger(logger)
		lease := acquireLease(t, l)
		l.SetLogger(logger)
		recordsOf(l).s.c.Retry = 50 * time.Millisecond
		if fault != nil {
			srv.Fail(fakes3.Rule{Times: -1, Fault: fault})
		}
		errs := map[string]error{}
		_, errs["renew"] = l.RenewLease(t.Context(), lease)
		errs["release"] = l.ReleaseLease(t.Context(), lease)
		_, errs["acquire"] = l.AcquireLease(t.Context())
		_, _, errs["read"] = l.ReadLease(t.Context())
		for _, errs["list"] = range recordsOf(l).List(t.Context(), "", "") {
		}
		for verb, err := range errs {
			fmt.Fprintf(&out, "%s %s: %v %+v %#v\n", name, verb, err, err, fmt.Sprint(err))
		}
		encoded, err := json.Marshal(l)
		fmt.Fprintf(&out, "%v %+v %#v %s %v\n", l, l, l, encoded, err)
	}
	for _, want := range []string{"SignatureDoesNotMatch", `"msg":"s3 record"`, "s3://" + fakes3.Bucket + "/some/prefix"} {
		if !strings.Contains(out.String(), want) {
			t.Fatalf("%s is not in the output that is searched", want)
		}
	}
	for _, secret := range []string{fakes3.SecretAccessKey, token, customerKey, "hunter2", "Signature="} {
		if i := strings.Index(out.String(), secret); i >= 0 {
			t.Errorf("a secret (%s) shows in: %s", secret, out.String()[max(0, i-200):i])
		}
	}
}
