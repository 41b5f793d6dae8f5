// Package proxy stands before an S3 server, notes the requests, and makes the way to it slower.
package proxy

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Request is one that has passed.
type Request struct {
	Kind       string // the method, but "LIST" for what is asked of the bucket
	Begin, End time.Time
	Bytes      int64 // of the answer's body
}

// Proxy is a proxy before one server. Its URL is an endpoint.
type Proxy struct {
	*httptest.Server

	mu    sync.Mutex
	ended sync.Cond // a request has
	under int       // requests that have not
	seen  []Request
	delay time.Duration
	rate  int64
}

// New makes a proxy.
func New(endpoint string) (*Proxy, error) {
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
	p := &Proxy{}
	p.ended.L = &p.mu
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		p.mu.Lock()
		p.under++
		delay, rate := p.delay, p.rate
		p.mu.Unlock()
		time.Sleep(delay)
		out := &paced{ResponseWriter: w, rate: rate}
		defer func() { // a client may go away before the end
			p.mu.Lock()
			defer p.mu.Unlock()
			p.seen = append(p.seen, Request{kindOf(r), begin, time.Now(), out.bytes})
			p.under--
			p.ended.Broadcast()
		}()
		reverse.ServeHTTP(out, r)
	}))
	return p, nil
}

// kindOf is the kind of a request.
func kindOf(r *http.Request) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key == "" && r.Method == http.MethodGet {
		return "LIST"
	}
	return r.Method
}

// Slow delays each request from now on, and sends each answer at so many bytes per second, as S3
// does on each connection. A rate of 0 is no limit.
func (p *Proxy) Slow(delay time.Duration, rate int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.rate = delay, rate
}

// Take returns the requests since it was last called, when all of them have ended.
func (p *Proxy) Take() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.under > 0 { // the client has the answer before its request is noted
		p.ended.Wait()
	}
	seen := p.seen
	p.seen = nil
	return seen
}

// catchUp is how much of what was sent too late, since a sleep takes longer than it should, is
// made up for.
const catchUp = 5 * time.Millisecond

// paced counts what is written, and limits how fast. What was not sent while there was nothing
// to send does not add up.
type paced struct {
	http.ResponseWriter
	bytes, rate int64
	next        time.Time // when all that was written should have taken this long
}

// Unwrap lets the proxy flush.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *paced) Write(b []byte) (int, error) {
	n, err := p.ResponseWriter.Write(b)
	p.bytes += int64(n)
	if p.rate > 0 {
		if now := time.Now(); p.next.Before(now.Add(-catchUp)) {
			p.next = now
		}
		p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
		time.Sleep(time.Until(p.next))
	}
	return n, err
}
