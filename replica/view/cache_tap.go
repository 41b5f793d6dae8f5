package view

import (
	"bytes"
	"io"
	"sync"

	"github.com/replctl/replicate/blob"
)

// cachedStore is the part of a tap that knows a cache.
type cachedStore struct {
	cache   *Cache
	replica string // tells the replica apart

	mu      sync.Mutex
	listed  map[string]blob.Info
	objects map[string]*cachedObject
}

// saw notes what a listing says of an object.
func (s *cachedStore) saw(info blob.Info) {
	if s.cache == nil || info.IsPrefix() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listed == nil {
		s.listed, s.objects = map[string]blob.Info{}, map[string]*cachedObject{}
	}
	if !sameVersion(s.listed[info.Key], info) || !s.listed[info.Key].ModTime.Equal(info.ModTime) {
		delete(s.objects, info.Key)
	}
	s.listed[info.Key] = info
}

func sameVersion(a, b blob.Info) bool { return a.ETag == b.ETag && a.Size == b.Size }

// object is what the cache has of a listed object; nil if it was not listed, or if the
// store does not tell its version.
func (s *cachedStore) object(key string) *cachedObject {
	if s.cache == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[key]; o != nil {
		return o
	}
	info, ok := s.listed[key]
	if !ok || info.ETag == "" && info.ModTime.IsZero() {
		return nil
	}
	o := s.cache.object(s.replica, key, info.Size, info.ETag, info.ModTime.UnixNano())
	s.objects[key] = o
	return o
}

// isListed reports whether an object that was opened is the one that was listed.
func (s *cachedStore) isListed(key string, opened blob.Info) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sameVersion(opened, s.listed[key])
}

// collector keeps a range when all of it was read.
type collector struct {
	io.ReadCloser
	object *cachedObject
	start  int64
	info   blob.Info // of the object
	data   []byte    // so far; its capacity is the length of the range
}

// Read implements io.Reader.
func (c *collector) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.object == nil {
		return n, err
	}
	if len(c.data)+n > cap(c.data) {
		c.object = nil // more than was asked for
		return n, err
	}
	c.data = append(c.data, p[:n]...)
	if len(c.data) == cap(c.data) {
		c.object.put(c.start, c.data, c.info)
		c.object, c.data = nil, nil
	}
	return n, err
}

// Describe implements blob.Describer.
func (c *collector) Describe() (blob.Info, bool) { return c.info, true }

// cachedReader reads from a cache.
type cachedReader struct {
	*bytes.Reader
	info blob.Info
}

// Close implements io.Closer.
func (cachedReader) Close() error { return nil }

// Describe implements blob.Describer.
func (r cachedReader) Describe() (blob.Info, bool) { return r.info, r.info.Key != "" }

// smallObject is the size up to which an object that is read whole is kept: the times of a
// v0.3 generation are. Of its larger objects the cache keeps the database.
const smallObject = 64 << 10

// rangeLength is the length of a range that is kept; 0 for one that is not.
func (s *cachedStore) rangeLength(key string, offset, length int64) int64 {
	if length <= 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if length = s.listed[key].Size - offset; length > smallObject {
			return 0
		}
	}
	if offset < 0 || length < 0 || length > maxEntry {
		return 0
	}
	return length
}

// openCached opens a range that the cache has.
func (t *tap) openCached(key string, offset, length int64) (io.ReadCloser, bool) {
	o := t.object(key)
	if o == nil {
		return nil, false
	}
	if length = t.rangeLength(key, offset, length); length == 0 {
		return nil, false
	}
	info, data, ok := o.get(offset, offset+length)
	if !ok {
		return nil, false
	}
	t.cached.Add(length)
	return cachedReader{bytes.NewReader(data), info}, true
}

// collect lets the cache keep a range of an object that is being read.
func (t *tap) collect(key string, offset, length int64, rc io.ReadCloser) io.ReadCloser {
	o := t.object(key)
	if o == nil {
		return rc
	}
	if length = t.rangeLength(key, offset, length); length == 0 {
		return rc
	}
	d, ok := rc.(blob.Describer)
	if !ok {
		return rc
	}
	info, ok := d.Describe()
	if !ok || !t.isListed(key, info) {
		return rc
	}
	return &collector{ReadCloser: rc, object: o, start: offset, info: info, data: make([]byte, 0, length)}
}
