package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// requests counts by kind: "GET", "LIST", "PUT", "POST", "HEAD", "DELETE".
type requests map[string]int

func (r requests) minus(before requests) requests {
	diff := make(requests)
	for kind, n := range r {
		if n > before[kind] {
			diff[kind] = n - before[kind]
		}
	}
	return diff
}

// String is "5 LIST, 1 GET", most first.
func (r requests) String() string {
	kinds := slices.SortedFunc(maps.Keys(r), func(a, b string) int {
		if r[a] != r[b] {
			return r[b] - r[a]
		}
		return strings.Compare(a, b)
	})
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", r[kind], kind)
	}
	return strings.Join(kinds, ", ")
}

// counter is a proxy that counts the requests to one S3 server.
type counter struct {
	srv *httptest.Server
	mu  sync.Mutex
	n   requests
}

func newCounter(endpoint string) (*counter, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	c := &counter{n: make(requests)}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // is signed
		},
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
		FlushInterval: -1,
	}
	c.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.add(kindOf(r))
		proxy.ServeHTTP(w, r)
	}))
	return c, nil
}

// kindOf is the method, but LIST for what is asked of the bucket.
func kindOf(r *http.Request) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key == "" && r.Method == http.MethodGet {
		return "LIST"
	}
	return r.Method
}

func (c *counter) add(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[kind]++
}

func (c *counter) snapshot() requests {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

func (c *counter) url() string { return c.srv.URL }

func (c *counter) close() { c.srv.Close() }
