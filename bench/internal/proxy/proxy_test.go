package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestTake: what has passed is known with its bytes, as soon as the client has the answer.
func TestTake(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 100))
	}))
	defer server.Close()
	p, err := New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for round := range 100 {
		want := map[string]int64{"/bucket/key": 100, "/bucket?list-type=2": 100}
		for path := range want {
			get(t, p.URL+path)
		}
		kinds := map[string]int{}
		for _, r := range p.Take() {
			kinds[r.Kind]++
			if r.Bytes != 100 || r.End.Before(r.Begin) {
				t.Errorf("round %d: %+v", round, r)
			}
		}
		if kinds["GET"] != 1 || kinds["LIST"] != 1 || len(kinds) != 2 {
			t.Fatalf("round %d: %v", round, kinds)
		}
	}
}

func get(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != 100 || err != nil {
		t.Fatalf("%s: %d bytes, %v", url, n, err)
	}
}

// TestPaced: a slow reader is not faster later on.
func TestPaced(t *testing.T) {
	p := &paced{ResponseWriter: httptest.NewRecorder(), rate: 1 << 20}
	start := time.Now()
	for range 4 {
		if _, err := p.Write(make([]byte, 1<<14)); err != nil {
			t.Fatal(err)
		}
	}
	if got, atLeast := time.Since(start), 4*time.Second/64; got < atLeast {
		t.Errorf("64 KiB took %v, want at least %v", got, atLeast)
	}
}
