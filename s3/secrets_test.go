package s3

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
)

// TestNoSecrets runs every verb into every kind of failure, with debug logs on,
// and looks for secrets in whatever comes out.
func TestNoSecrets(t *testing.T) {
	const token = "session-token-hunter2"
	customerKey := base64.StdEncoding.EncodeToString([]byte("hunter2-hunter2-hunter2-hunter2-"))
	secrets := []string{fakes3.SecretAccessKey, token, customerKey, "hunter2", "Signature="}

	var out lockedBuffer
	for name, fault := range map[string]fakes3.Fault{
		"none":      nil,
		"forbidden": fakes3.Status(403, "SignatureDoesNotMatch"),
		"broken":    fakes3.Status(500, "InternalError"),
		"dropped":   fakes3.DropRequest(),
		"hangs":     fakes3.Hang(),
		"cut":       fakes3.TruncateBody(3),
		"garbage":   func(w httpWriter, _ *fakes3.Call) { _, _ = io.WriteString(w, "<html><p>gateway") },
		"echo": func(w httpWriter, c *fakes3.Call) { // a server that repeats what it was sent
			w.Header().Set("X-Amz-Request-Id", "r")
			fakes3.Status(http.StatusBadRequest, "Echo")(w, c)
		},
	} {
		srv := fakes3.New(t)
		s := newStore(t, srv, func(c *Config) {
			c.SessionToken, c.SSECustomerKey = token, customerKey
			c.StallTimeout, c.RetryTimeout = 50e6, 100e6
			c.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c.Logger.Debug("configured", "config", *c)
		})
		if fault != nil {
			srv.Fail(fakes3.Rule{Times: -1, Fault: fault})
		}
		for verb, err := range everyVerb(t, s) {
			fmt.Fprintf(&out, "%s %s: %v %+v %#v\n", name, verb, err, err, fmt.Sprint(err))
			if encoded, jsonErr := json.Marshal(map[string]any{"config": s.cfg, "error": fmt.Sprint(err)}); jsonErr == nil {
				fmt.Fprintf(&out, "%s\n", encoded)
			}
		}
	}
	if !strings.Contains(out.String(), "SignatureDoesNotMatch") || !strings.Contains(out.String(), `"msg":"s3 request"`) {
		t.Fatal("errors and debug logs are not in the output that is searched")
	}
	for _, secret := range secrets {
		if i := strings.Index(out.String(), secret); i >= 0 {
			t.Errorf("a secret (%s) shows in: %s", secret, out.String()[max(0, i-200):i])
		}
	}
}

func everyVerb(t *testing.T, s *Store) map[string]error {
	t.Helper()
	errs := make(map[string]error)
	_, errs["write"] = s.Write(t.Context(), "k", strings.NewReader("body"), blob.WriteOptions{})
	_, errs["create"] = s.Write(t.Context(), "new", strings.NewReader("body"), blob.WriteOptions{IfAbsent: true})
	_, errs["upload"] = s.Write(t.Context(), "large", bytes.NewReader(content(MinPartSize+1)), blob.WriteOptions{})
	_, errs["reader error"] = s.Write(t.Context(), "k", io.MultiReader(strings.NewReader("x"), failing{}),
		blob.WriteOptions{})
	_, errs["stat"] = s.Stat(t.Context(), "k")
	_, errs["open"] = read(t.Context(), s, "k", 0, 0)
	for _, errs["list"] = range s.List(t.Context(), "", blob.ListOptions{}) {
	}
	errs["delete"] = s.Delete(t.Context(), []string{"k", "new", "large"})
	return errs
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the source broke") }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
