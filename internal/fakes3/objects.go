package fakes3

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// Put makes an object without a request.
func (s *Server) Put(key string, content []byte) {
	s.t.Helper()
	s.applying.Lock()
	defer s.applying.Unlock()
	r := bytes.NewReader(content)
	if _, err := s.store.PutObject(s.Bucket, key, map[string]string{}, r, r.Size(), nil); err != nil {
		s.t.Fatal(err)
	}
}

// Objects are the contents of the objects below a prefix, by the rest of their names.
func (s *Server) Objects(prefix string) map[string][]byte {
	s.t.Helper()
	s.applying.Lock()
	defer s.applying.Unlock()
	list, err := s.store.ListBucket(s.Bucket, &gofakes3.Prefix{HasPrefix: true, Prefix: prefix}, gofakes3.ListBucketPage{})
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, c := range list.Contents {
		o, err := s.store.GetObject(s.Bucket, c.Key, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		content, err := io.ReadAll(o.Contents)
		if err != nil {
			s.t.Fatal(err)
		}
		found[strings.TrimPrefix(c.Key, prefix)] = content
	}
	return found
}

// Remove deletes the objects below a prefix without a request.
func (s *Server) Remove(prefix string) {
	s.t.Helper()
	for key := range s.Objects(prefix) {
		s.applying.Lock()
		_, err := s.store.DeleteObject(s.Bucket, prefix+key)
		_, oldErr := s.old.store.DeleteObject(s.Bucket, prefix+key)
		s.applying.Unlock()
		if err := errors.Join(err, oldErr); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Refuse closes the server's port and all connections, so that new ones are refused,
// until Listen is called.
func (s *Server) Refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.refusing {
		s.refusing = true
		_ = s.port.Close()
	}
	s.http.CloseClientConnections()
}

// Listen opens the port again.
func (s *Server) Listen() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.refusing {
		return
	}
	port, err := net.Listen("tcp", s.port.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.port, s.refusing = port, false
	s.t.Cleanup(func() { _ = port.Close() })
	go func() { _ = s.http.Config.Serve(port) }() // until the port is closed
}

// Refused closes the port before the request has done anything.
func Refused() Fault {
	return func(_ http.ResponseWriter, c *Call) {
		go c.s.Refuse() // it waits for nobody
		c.wait()
	}
}
