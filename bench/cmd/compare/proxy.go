package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
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
		return cmp.Or(r[b]-r[a], strings.Compare(a, b))
	})
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", r[kind], kind)
	}
	return strings.Join(kinds, ", ")
}

// proxy stands before one S3 server and counts the requests.
type proxy struct {
	*httptest.Server
	mu sync.Mutex
	n  requests
}

// newProxy makes a proxy. With a rate it sends each answer at so many bytes per
// second, as S3 does on each connection; a rate of 0 is no limit.
func newProxy(endpoint string, rate int64) (*proxy, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	p := &proxy{n: make(requests)}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // is signed
		},
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
		FlushInterval: -1,
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.add(kindOf(r))
		if rate > 0 {
			w = &paced{ResponseWriter: w, rate: rate}
		}
		reverse.ServeHTTP(w, r)
	}))
	return p, nil
}

// kindOf is the method, but LIST for what is asked of the bucket.
func kindOf(r *http.Request) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key == "" && r.Method == http.MethodGet {
		return "LIST"
	}
	return r.Method
}

func (p *proxy) add(kind string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n[kind]++
}

func (p *proxy) snapshot() requests {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.n)
}

// paced writes at a rate. What was not sent while there was nothing to send does
// not add up.
type paced struct {
	http.ResponseWriter
	rate int64
	next time.Time // when all that was written should have taken this long
}

// Unwrap lets the proxy flush.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *paced) Write(b []byte) (int, error) {
	if now := time.Now(); p.next.Before(now) {
		p.next = now
	}
	n, err := p.ResponseWriter.Write(b)
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	time.Sleep(time.Until(p.next))
	return n, err
}
