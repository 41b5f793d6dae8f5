package s3

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
)

// devour is an S3 that keeps nothing: it takes objects of any size, and has one
// of a gigabyte.
func devour(t testing.TB) *Store {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"x"`)
		switch {
		case r.Method == http.MethodPost && r.URL.Query().Has("uploads"):
			_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`)
		case r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
			listPage(w, r)
		case r.Method == http.MethodGet:
			gigabyteOf(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	s, err := Open(t.Context(), Config{Bucket: "b", Endpoint: srv.URL, AccessKeyID: "id", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const gigabyte = 1 << 30

func gigabyteOf(w http.ResponseWriter, r *http.Request) {
	begin, end := int64(0), int64(gigabyte)
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &begin, &end); err == nil {
		end++
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, end-1, gigabyte))
	}
	w.Header().Set("Content-Length", fmt.Sprint(end-begin))
	if begin > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = io.CopyN(w, zeros{}, end-begin)
}

// listPage is one of 200 pages, of 1,000 keys each.
func listPage(w http.ResponseWriter, r *http.Request) {
	n := 0
	_, _ = fmt.Sscanf(r.URL.Query().Get("continuation-token"), "%d", &n)
	var b bytes.Buffer
	fmt.Fprintf(&b, "<ListBucketResult><IsTruncated>%t</IsTruncated><NextContinuationToken>%d</NextContinuationToken>",
		n < 199, n+1)
	for i := range 1000 {
		fmt.Fprintf(&b, "<Contents><Key>k%06d</Key><Size>1</Size></Contents>", n*1000+i)
	}
	b.WriteString("</ListBucketResult>")
	_, _ = w.Write(b.Bytes())
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// peakHeap is by how much the heap grows at most while fn runs.
func peakHeap(fn func()) uint64 {
	// Else garbage may grow as large as what other tests have left.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done, sampled := make(chan struct{}), make(chan struct{})
	var peak atomic.Uint64
	go func() {
		defer close(sampled)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	fn()
	close(done)
	<-sampled
	return max(peak.Load(), before.HeapAlloc) - before.HeapAlloc
}

func wantHeap(t *testing.T, what string, limit uint64, fn func()) {
	t.Helper()
	got := peakHeap(fn)
	t.Logf("%s: heap grows by %.1f MiB", what, float64(got)/(1<<20))
	if got > limit {
		t.Errorf("%s: heap grows by %d bytes, want at most %d", what, got, limit)
	}
}

// TestMemory holds the promises about memory, the server's share included.
func TestMemory(t *testing.T) {
	const size = 120 << 20
	s := devour(t)
	write := func(r io.Reader) func() {
		return func() {
			info, err := s.Write(t.Context(), "k", r, blob.WriteOptions{})
			if err != nil || info.Size != size {
				t.Errorf("got %+v, %v", info, err)
			}
		}
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "120MiB"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	wantHeap(t, "120 MiB seekable", 4<<20, write(f))
	s.slow = 0
	wantHeap(t, "120 MiB streamed", 16<<20, write(io.LimitReader(zeros{}, size)))
	wantHeap(t, "the same again", 16<<20, write(io.LimitReader(zeros{}, size)))
	s.slow = math.Inf(1)
	wantHeap(t, "120 MiB streamed over slow connections", 26<<20, write(io.LimitReader(zeros{}, size)))
}

func TestMemoryFlat(t *testing.T) {
	s := devour(t)
	s.slow = 0
	wantHeap(t, "1 GiB read over one connection", 4<<20, readGigabyte(t, s))
	s.slow = math.Inf(1)
	// Each connection has a piece, and so has the reader; the rest is for garbage.
	wantHeap(t, "1 GiB read over several", uint64(2*s.cfg.Concurrency+2)*aheadSize, readGigabyte(t, s))
	wantHeap(t, "200,000 keys listed", 16<<20, func() {
		n := 0
		for _, err := range s.List(t.Context(), "", blob.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 200_000 {
			t.Errorf("%d keys", n)
		}
	})
}

func readGigabyte(t *testing.T, s *Store) func() {
	return func() {
		rc, err := s.Open(t.Context(), "k", 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		if n, err := io.Copy(io.Discard, rc); err != nil || n != gigabyte {
			t.Errorf("read %d bytes, %v", n, err)
		}
	}
}
