package viewtest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/s3"
)

// bucket is a replica in a fake bucket.
func bucket(t testing.TB, d *dataset) (*fakes3.Server, *s3.ReplicaClient) {
	t.Helper()
	srv := fakes3.New(t)
	client := s3.NewReplicaClient()
	client.Bucket, client.Path, client.Endpoint = srv.Bucket, "backups/app", srv.URL
	client.AccessKeyID, client.SecretAccessKey = fakes3.AccessKeyID, fakes3.SecretAccessKey
	store, _, err := client.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.fill(t, store)
	client = s3.NewReplicaClient()
	client.Bucket, client.Path, client.Endpoint = srv.Bucket, "backups/app", srv.URL
	client.AccessKeyID, client.SecretAccessKey = fakes3.AccessKeyID, fakes3.SecretAccessKey
	return srv, client
}

// cost is what was asked of the server since a request.
type cost struct{ listings, gets, bytes int }

func costSince(t testing.TB, srv *fakes3.Server, from int) (c cost) {
	t.Helper()
	for _, r := range srv.Requests()[from:] {
		switch r.Op {
		case "ListObjectsV2":
			c.listings++
		case "GetObject":
			c.gets++
			c.bytes += rangeOf(t, r.Header.Get("Range"))
		}
	}
	return c
}

// rangeOf is how many bytes a Range header asks for.
func rangeOf(t testing.TB, header string) int {
	t.Helper()
	from, to, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	a, err1 := strconv.Atoi(from)
	b, err2 := strconv.Atoi(to)
	if !ok || err1 != nil || err2 != nil {
		t.Fatalf("range %q", header)
	}
	return b - a + 1
}

// TestRequests counts requests and bytes of a lookup and a scan. A table of this size
// is read before the ranges are at their largest, and each of the files of later
// transactions costs a request: hence the allowance.
func TestRequests(t *testing.T) {
	const rounds = 10
	d := makeDataset(t, shape{pageSize: 4096, rows: 40_000, rounds: rounds, perRound: 40, withIndex: true})
	// How much is read ahead at once depends on how fast it is used: 35 to 41 GETs on an idle machine, up to
	// 58 under the race detector.
	countRequests(t, d, rounds+race.Pick(40, 120))
}

// countRequests checks what a cold view of a dataset costs. A scan may take one GET for
// each MiB of the table, and some more.
func countRequests(t *testing.T, d *dataset, more int) {
	t.Helper()
	srv, client := bucket(t, d)
	start := len(srv.Requests())
	v, err := view.Open(t.Context(), client, restore.Target{}, view.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	opened := costSince(t, srv, start)
	if opened.listings > 3 { // 1 and one for each level
		t.Errorf("%d listings to open, want at most 3", opened.listings)
	}
	db := handle(t, v)

	start = len(srv.Requests())
	var name string
	if err := db.QueryRow("SELECT name FROM users WHERE id = 33333").Scan(&name); err != nil {
		t.Fatal(err)
	}
	lookup := costSince(t, srv, start)
	if lookup.gets > 4 || lookup.bytes > 64<<10 {
		t.Errorf("a lookup took %+v, want at most 4 GETs and 64 KiB", lookup)
	}

	start = len(srv.Requests())
	began := time.Now()
	var sum int
	if err := db.QueryRow("SELECT sum(length(note)) FROM users").Scan(&sum); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	scan := costSince(t, srv, start)
	pages, frames := tablePages(t, d, "users")
	mib := pages * 4096 >> 20
	t.Logf("%d pages; open %+v, lookup %+v, scan %+v in %v; table of %d MiB in frames of %d bytes",
		d.pages, opened, lookup, scan, took, mib, frames)
	if scan.gets > mib+more || float64(scan.bytes) > 1.3*float64(frames) {
		t.Errorf("a scan took %+v, want at most %d GETs and 1.3 times %d bytes", scan, mib+more, frames)
	}
	if s := v.Stats(); int(s.Bytes) != opened.bytes+lookup.bytes+scan.bytes {
		t.Errorf("%d bytes by the view's own count, and %+v, %+v, %+v", s.Bytes, opened, lookup, scan)
	}
}

// TestRefusal: what the store says reaches who asks in SQL, and so does the end of the
// context.
func TestRefusal(t *testing.T) {
	d := makeDataset(t, shape{pageSize: 1024, rows: 3000, rounds: 2, perRound: 30})
	srv, client := bucket(t, d)
	v := openView(t, client, restore.Target{}, view.Options{PageCache: 1, ReadAhead: 1})
	db := handle(t, v)
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Times: -1, Fault: fakes3.Status(403, "AccessDenied")})
	var n int
	err := db.QueryRow("SELECT sum(length(note)) FROM users").Scan(&n)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("refused: %v", err)
	}
	if _, err := view.Open(t.Context(), client, restore.Target{}, view.Options{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("open, refused: %v", err)
	}
}

// TestMaxBytes: a scan that would cost too much ends.
func TestMaxBytes(t *testing.T) {
	d := makeDataset(t, shape{pageSize: 1024, rows: 3000, rounds: 2, perRound: 30})
	_, client := bucket(t, d)
	v := openView(t, client, restore.Target{}, view.Options{MaxBytes: 300 << 10})
	db := handle(t, v)
	var n int
	if err := db.QueryRow("SELECT count(*) FROM users WHERE id < 10").Scan(&n); err != nil || n != 9 {
		t.Errorf("got %d, %v", n, err)
	}
	if err := db.QueryRow("SELECT sum(length(note)) FROM users").Scan(&n); !errors.Is(err, view.ErrMaxBytes) {
		t.Errorf("got %v, want ErrMaxBytes", err)
	}
	if s := v.Stats(); s.Bytes > 300<<10 {
		t.Errorf("%d bytes were read", s.Bytes)
	}
}

// waiting is a store whose reads wait for their context's end, once told.
type waiting struct {
	blob.Store
	on    atomic.Bool
	began chan struct{}
	ended chan struct{}
}

func (w *waiting) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if w.on.Load() {
		w.began <- struct{}{}
		<-ctx.Done()
		w.ended <- struct{}{}
		return nil, context.Cause(ctx)
	}
	return w.Store.Open(ctx, key, offset, length)
}

// TestInterrupt: the end of a statement's context ends the request that it waits for.
func TestInterrupt(t *testing.T) {
	d := makeDataset(t, shape{pageSize: 1024, rows: 3000, rounds: 2, perRound: 30})
	store := &waiting{Store: blob.NewMemory(), began: make(chan struct{}), ended: make(chan struct{}, 100)}
	d.fill(t, store)
	db := handle(t, openView(t, clientOf(store), restore.Target{}, view.Options{PageCache: 1, ReadAhead: 1}))
	store.on.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-store.began
		store.on.Store(false)
		cancel()
	}()
	var n int
	if err := db.QueryRowContext(ctx, "SELECT sum(length(note)) FROM users").Scan(&n); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-store.ended
	if err := db.QueryRow("SELECT count(*) FROM users").Scan(&n); err != nil || n < 3000 {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}
