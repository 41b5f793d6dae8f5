package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// request is one that has passed the proxy.
type request struct {
	isList     bool
	begin, end time.Time
	bytes      int64 // of the answer's body
}

// proxy stands before an S3 server. It notes all requests, delays each, and limits how fast
// each answer is sent, if it is told to.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []request
	delay time.Duration
	rate  int64 // bytes per second; 0 is no limit
}

func newProxy(endpoint string) (*proxy, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // is signed
		},
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
		FlushInterval: -1,
	}
	p := &proxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		note := request{isList: key == "" && r.Method == http.MethodGet, begin: time.Now()}
		p.mu.Lock()
		delay, rate := p.delay, p.rate
		p.mu.Unlock()
		time.Sleep(delay)
		out := &counted{ResponseWriter: w, rate: rate}
		defer func() { // a client may go away before the end
			note.end, note.bytes = time.Now(), out.bytes
			p.mu.Lock()
			p.seen = append(p.seen, note)
			p.mu.Unlock()
		}()
		reverse.ServeHTTP(out, r)
	}))
	return p, nil
}

func (p *proxy) set(delay time.Duration, rate int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.rate = delay, rate
}

// take returns the cost of the requests since it was last called.
func (p *proxy) take() cost {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := costOf(p.seen)
	p.seen = nil
	return c
}

// cost is what some requests were.
type cost struct {
	lists, reads int
	bytes        int64
	depth        int // the longest chain of requests that begin after the one before has ended
}

func costOf(seen []request) (c cost) {
	slices.SortFunc(seen, func(a, b request) int { return a.end.Compare(b.end) })
	var last time.Time
	for _, r := range seen {
		if r.isList {
			c.lists++
		} else {
			c.reads++
			c.bytes += r.bytes
		}
		if r.begin.After(last) { // the one that ends first leaves most room for others
			c.depth++
			last = r.end
		}
	}
	return c
}

// counted counts what is written, and limits how fast.
type counted struct {
	http.ResponseWriter
	bytes, rate int64
	next        time.Time // when all that was written should have taken this long
}

// Unwrap lets the proxy flush.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	if c.rate > 0 {
		if now := time.Now(); c.next.Before(now) {
			c.next = now
		}
		c.next = c.next.Add(time.Duration(n) * time.Second / time.Duration(c.rate))
		time.Sleep(time.Until(c.next))
	}
	return n, err
}
