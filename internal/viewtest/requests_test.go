package viewtest

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/sqlite"
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

// TestRequests counts requests and bytes of a scan and a lookup.
func TestRequests(t *testing.T) {
	d := makeDataset(t, shape{pageSize: 4096, rows: 60_000, rounds: 10, perRound: 40, withIndex: true})
	srv, client := bucket(t, d)
	start := len(srv.Requests())
	began := time.Now()
	v, err := view.Open(t.Context(), client, restore.Target{}, view.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	opened := costSince(t, srv, start)
	t.Logf("database of %d pages; open: %+v in %v", d.pages, opened, time.Since(began))
	if opened.listings > 3 {
		t.Errorf("%d listings to open, want at most 3", opened.listings)
	}
	db, err := sqlite.OpenView(v)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	start = len(srv.Requests())
	var name string
	if err := db.QueryRow("SELECT name FROM users WHERE id = 77777").Scan(&name); err != nil {
		t.Fatal(err)
	}
	lookup := costSince(t, srv, start)
	t.Logf("lookup: %+v", lookup)
	if lookup.gets > 4 || lookup.bytes > 64<<10 {
		t.Errorf("a lookup took %+v, want at most 4 GETs and 64 KiB", lookup)
	}

	start = len(srv.Requests())
	began = time.Now()
	var pages, frames int
	var sum int
	if err := db.QueryRowContext(context.Background(), "SELECT sum(length(note)) FROM users").Scan(&sum); err != nil {
		t.Fatal(err)
	}
	scan := costSince(t, srv, start)
	pages, frames = tablePages(t, d, "users")
	mib := pages * 4096 >> 20
	t.Logf("scan: %+v in %v; the table has %d pages, %d MiB, in frames of %d bytes", scan, time.Since(began), pages, mib, frames)
	if scan.gets > mib || float64(scan.bytes) > 1.3*float64(frames) {
		t.Errorf("a scan took %+v, want at most %d GETs and 1.3 times %d bytes", scan, mib, frames)
	}
}
