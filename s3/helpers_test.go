package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/s3/internal/transport"
)

func TestMain(m *testing.M) {
	fakes3.Isolate()
	os.Exit(m.Run())
}

// unhurried runs a test in which something has to happen, or not, within so many units
// of time. On a busy machine the unit may have been too short: a test that fails is run
// again with twice as long a one, and fails for good when it does so with one that is
// long enough for any machine.
func unhurried(t testing.TB, unit time.Duration, test func(unit time.Duration) error) {
	t.Helper()
	for ; ; unit *= 2 {
		err := test(unit)
		if err == nil {
			return
		}
		if unit > 2*time.Second {
			t.Fatal(err)
		}
		t.Logf("with a unit of %v: %v", unit, err)
	}
}

// nobodyAt is an address at which nobody listens, and nobody will: it is the caller's
// end of a connection.
func nobodyAt(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().String()
}

// newStore is a handle on a fake server that retries after milliseconds.
func newStore(t testing.TB, srv *fakes3.Server, change func(*Config)) *Store {
	t.Helper()
	cfg := Config{
		Bucket:          srv.Bucket,
		Path:            "some/prefix",
		Endpoint:        srv.URL,
		AccessKeyID:     fakes3.AccessKeyID,
		SecretAccessKey: fakes3.SecretAccessKey,
		RetryTimeout:    2 * time.Minute,
		Logger:          slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.c.Backoff = transport.Backoff{Base: time.Millisecond, Max: 5 * time.Millisecond}
	return s
}

// impatient takes half a second of silence for a stall, for tests in which there
// is one. A busy machine may be silent for as long, so these do not count
// requests.
func impatient(c *Config) { c.StallTimeout = race.Pick(500*time.Millisecond, 3*time.Second) }

// content is n bytes that do not compress, the same for the same n.
func content(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func mustWrite(t testing.TB, s *Store, key string, data []byte) blob.Info {
	t.Helper()
	info, err := s.Write(t.Context(), key, bytes.NewReader(data), blob.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func read(ctx context.Context, s *Store, key string, offset, length int64) ([]byte, error) {
	rc, err := s.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(rc)
	return data, errors.Join(err, rc.Close())
}

func mustRead(t testing.TB, s *Store, key string) []byte {
	t.Helper()
	data, err := read(t.Context(), s, key, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func listKeys(t testing.TB, s *Store, prefix string, opts blob.ListOptions) []string {
	t.Helper()
	keys := []string{}
	for info, err := range s.List(t.Context(), prefix, opts) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

// stream hides that a reader can seek.
func stream(data []byte) io.Reader { return io.MultiReader(bytes.NewReader(data)) }

type httpWriter = http.ResponseWriter

func wantEqual[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantNoUploads: every upload that was begun has been completed or aborted.
func wantNoUploads(t testing.TB, srv *fakes3.Server, known bool) {
	t.Helper()
	if !known {
		return
	}
	if begun, ended := srv.Count("CreateMultipartUpload"), srv.Count("AbortMultipartUpload"); begun != ended {
		t.Errorf("%d uploads begun, %d aborted", begun, ended)
	}
}

// wantNoGoroutines: no goroutine of this package is left behind. Those of the
// transport are not ours. One that has done all its work may still be about to
// return, which the scheduler of a busy machine puts off: it is waited for.
func wantNoGoroutines(t testing.TB) {
	t.Helper()
	var left []string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if left = ownGoroutines(); len(left) == 0 {
			return
		}
	}
	t.Errorf("left running:\n%s", strings.Join(left, "\n\n"))
}

// ownGoroutines returns the stacks, but for the caller's, that are in this package.
func ownGoroutines() (own []string) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for i, g := range strings.Split(string(buf), "\n\n") {
		if i > 0 && strings.Contains(g, "replicate/s3.(*") {
			own = append(own, g)
		}
	}
	return own
}
