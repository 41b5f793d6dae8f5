package fakes3

import (
	"bytes"
	"encoding/pem"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// What the server knows its one client by.
const (
	AccessKeyID     = "FAKES3ACCESSKEYID"
	SecretAccessKey = "fakes3/secret+access/key"
	Bucket          = "fake-bucket"
)

// Server is the fake. Its fields are set by New.
type Server struct {
	URL    string
	Bucket string

	t     TB
	http  *httptest.Server
	tls   bool
	store gofakes3.Backend
	api   http.Handler
	old   *Server // one write behind, for stale reads; nil in itself

	applying sync.Mutex // one request at a time

	mu       sync.Mutex
	log      []Request
	rules    []*Rule
	rand     *rand.Rand
	port     net.Listener
	refusing bool // the port is closed
}

// Option changes how a server is made.
type Option func(*Server)

// TLS makes the server speak HTTPS, with a certificate of its own making.
func TLS() Option { return func(s *Server) { s.tls = true } }

// TB is what a server needs of a test. An example has Run.
type TB interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
	Errorf(string, ...any)
}

// New starts a server with one empty bucket, which ends with the test.
func New(t TB, opts ...Option) *Server {
	t.Helper()
	s := newServer(t)
	s.old = newServer(t)
	s.rand = rand.New(rand.NewPCG(1, 1)) // the same faults in each run
	for _, opt := range opts {
		opt(s)
	}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	if s.tls {
		s.http.EnableHTTP2 = true
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	s.URL, s.port = s.http.URL, s.http.Listener
	t.Cleanup(s.http.Close)
	return s
}

func newServer(t TB) *Server {
	s := &Server{Bucket: Bucket, t: t, store: backend{s3mem.New()}}
	if err := s.store.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	s.api = gofakes3.New(s.store, gofakes3.WithMetadataSizeLimit(0), gofakes3.WithTimeSkewLimit(0)).Server()
	return s
}

// CertPEM is the certificate of a server with TLS, for AWS_CA_BUNDLE.
func (s *Server) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// Request is one request, as logged and as rules see it.
type Request struct {
	Op     string // "GetObject", "ListObjectsV2", ...; empty for what is none of ours
	Method string
	Key    string // without the bucket; empty for requests about the bucket
	Query  url.Values
	Header http.Header
	Size   int64
}

// Requests returns the log.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.log...)
}

// Count returns the number of requests of an operation; of all, if op is empty.
func (s *Server) Count(op string) int {
	n := 0
	for _, r := range s.Requests() {
		if op == "" || r.Op == op {
			n++
		}
	}
	return n
}

// Reset forgets the log and the rules, but not the objects, and opens the port if it is closed.
func (s *Server) Reset() {
	s.Listen()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.rules = nil, nil
}

// Disconnect closes all connections. Each client has its own, and keeps them open.
func (s *Server) Disconnect() { s.http.CloseClientConnections() }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client left
	}
	req := s.describe(r, int64(len(body)))
	fault := s.record(req)
	call := &Call{Request: req, s: s, http: r, body: body}
	if fault != nil {
		fault(w, call)
		return
	}
	call.Apply().send(w)
}

// describe names the operation.
func (s *Server) describe(r *http.Request, size int64) Request {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	req := Request{Method: r.Method, Key: key, Query: q, Header: r.Header.Clone(), Size: size}
	target := "Object"
	switch {
	case bucket != s.Bucket:
		return req
	case key == "":
		target = "Bucket"
	case q.Has("uploadId"):
		target = "Upload"
	case q.Has("uploads"):
		target = "Uploads"
	}
	req.Op = operations[r.Method+" "+target]
	if req.Op == "ListObjectsV2" && q.Has("uploads") {
		req.Op = "ListMultipartUploads"
	}
	return req
}

var operations = map[string]string{
	"GET Object": "GetObject", "HEAD Object": "HeadObject", "PUT Object": "PutObject", "DELETE Object": "DeleteObject",
	"GET Bucket": "ListObjectsV2", "HEAD Bucket": "HeadBucket", "POST Bucket": "DeleteObjects",
	"POST Uploads": "CreateMultipartUpload", "PUT Upload": "UploadPart",
	"POST Upload": "CompleteMultipartUpload", "DELETE Upload": "AbortMultipartUpload",
}

// apply runs a request against the backend and returns the answer.
func (s *Server) apply(req Request, r *http.Request, body []byte) *Answer {
	s.applying.Lock()
	defer s.applying.Unlock()
	if refusal := s.refuse(req, r); refusal != nil {
		return refusal
	}
	if s.old != nil {
		s.age(req)
	}
	answer := s.call(r, body)
	if req.Op == "CompleteMultipartUpload" && answer.Status == http.StatusOK {
		answer.Body = s.oneETag(req.Key, answer.Body)
	}
	return answer
}

// call is the bare gofakes3.
func (s *Server) call(r *http.Request, body []byte) *Answer {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	rec := httptest.NewRecorder()
	s.api.ServeHTTP(rec, r)
	return &Answer{Status: rec.Code, Header: rec.Header().Clone(), Body: rec.Body.Bytes()}
}
