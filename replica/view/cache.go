package view

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/durable"
)

// Cache keeps what views have read of objects in a directory, for later views of any
// process. Objects do not change under their name, mostly: one is told by the replica, its
// key, its size and what the store says of its version. What is read back is checked;
// what is damaged is removed, and read from the store again. A cache that cannot be written
// is no error of a view.
//
// Any number of processes may use one directory at a time.
type Cache struct {
	dir string
	max int64

	mu      sync.Mutex
	size    int64 // bytes of the files, as far as this process knows
	written int64 // bytes since the files were counted
}

const (
	// recount is the part of the limit after whose writing the files are counted again:
	// other processes write as well.
	recount = 16

	// keepAfter is how much stays when the limit is exceeded, in percent.
	keepAfter = 80

	tempPrefix = "tmp-"
	staleTemp  = time.Hour
)

// OpenCache opens a cache in a directory, which is made if it is missing, readable by its
// owner alone. Its files have at most maxBytes, which must be positive; several processes
// that write at a time may exceed that by a sixteenth each.
func OpenCache(dir string, maxBytes int64) (*Cache, error) {
	if dir == "" || maxBytes <= 0 {
		return nil, fmt.Errorf("open cache %q: want a directory and a positive limit, not %d", dir, maxBytes)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = durable.MakeDir(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	c := &Cache{dir: dir, max: maxBytes}
	files, err := c.files()
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	for _, f := range files {
		c.size += f.size
	}
	return c, nil
}

// cacheFile is a file of a cache.
type cacheFile struct {
	path string
	size int64
	used time.Time
}

// files are the files of the cache. Those of others, and those that are gone meanwhile, are
// passed over.
func (c *Cache) files() (files []cacheFile, err error) {
	err = filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil && path != c.dir || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		isTemp := strings.HasPrefix(d.Name(), tempPrefix)
		if _, err := parseRange(d.Name()); err != nil && !isTemp {
			return nil
		}
		info, err := d.Info()
		if err == nil && info.Mode().IsRegular() {
			files = append(files, cacheFile{path, info.Size(), info.ModTime()})
		}
		return nil
	})
	return files, err
}

// object is what the cache has of an object, whose ID is made of what tells it apart.
func (c *Cache) object(distinct ...any) *cachedObject {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", distinct))
	id := hex.EncodeToString(sum[:])
	return &cachedObject{cache: c, id: id, dir: filepath.Join(c.dir, id[:2], id[2:])}
}

// put writes a file, under a temporary name first.
func (c *Cache) put(dir, name string, content []byte) error {
	if int64(len(content)) > c.max {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, tempPrefix)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	c.grown(int64(len(content)))
	return nil
}

// grown removes the files that were not used for longest if there are too many.
func (c *Cache) grown(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size += n
	c.written += n
	if c.size <= c.max && c.written < c.max/recount {
		return
	}
	files, err := c.files()
	if err != nil {
		return
	}
	c.size, c.written = 0, 0
	for _, f := range files {
		c.size += f.size
	}
	if c.size <= c.max {
		return
	}
	slices.SortFunc(files, func(a, b cacheFile) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, f := range files {
		if c.size <= c.max/100*keepAfter {
			return
		}
		if strings.HasPrefix(filepath.Base(f.path), tempPrefix) && time.Since(f.used) < staleTemp {
			continue // another process is writing it
		}
		if os.Remove(f.path) == nil {
			c.size -= f.size
		}
		_ = os.Remove(filepath.Dir(f.path)) // if it is empty
	}
}

// cachedObject is what a cache has of an object.
type cachedObject struct {
	cache   *Cache
	id, dir string

	mu     sync.Mutex
	loaded bool
	ranges []cachedRange // by start
}

// covering is a range in the cache that has the bytes from start to end.
func (o *cachedObject) covering(start, end int64) (cachedRange, bool) {
	if o == nil {
		return cachedRange{}, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.load()
	i, _ := slices.BinarySearchFunc(o.ranges, start+1, func(r cachedRange, start int64) int {
		return cmp.Compare(r.start, start)
	})
	const overlapping = 8 // ranges: of processes that wrote at a time
	for _, r := range slices.Backward(o.ranges[max(0, i-overlapping):i]) {
		if r.end >= end {
			return r, true
		}
	}
	return cachedRange{}, false
}

// load finds the ranges that there are. The mutex is held.
func (o *cachedObject) load() {
	if o.loaded {
		return
	}
	o.loaded = true
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if r, err := parseRange(e.Name()); err == nil {
			o.ranges = append(o.ranges, r)
		}
	}
	slices.SortFunc(o.ranges, func(a, b cachedRange) int { return cmp.Compare(a.start, b.start) })
}

// get reads the bytes from start to end, with what the store said of the object.
func (o *cachedObject) get(start, end int64) (info blob.Info, data []byte, ok bool) {
	r, ok := o.covering(start, end)
	if !ok {
		return blob.Info{}, nil, false
	}
	path := filepath.Join(o.dir, r.name())
	info, data, err := o.read(path, r)
	if err != nil {
		o.forget(r)
		_ = os.Remove(path)
		return blob.Info{}, nil, false
	}
	return info, data[start-r.start : end-r.start], true
}

func (o *cachedObject) read(path string, r cachedRange) (blob.Info, []byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return blob.Info{}, nil, err
	}
	if fi.Size() > maxEntry+maxInfo+int64(entryOverhead) {
		return blob.Info{}, nil, errEntry
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return blob.Info{}, nil, err
	}
	if now := time.Now(); now.Sub(fi.ModTime()).Abs() > time.Minute {
		_ = os.Chtimes(path, now, now) // it is used
	}
	return parseEntry(o.id, r, b)
}

func (o *cachedObject) forget(r cachedRange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ranges = slices.DeleteFunc(o.ranges, func(other cachedRange) bool { return other == r })
}

// put keeps the bytes from an offset on.
func (o *cachedObject) put(start int64, data []byte, info blob.Info) {
	r := cachedRange{start, start + int64(len(data))}
	content, err := formatEntry(o.id, r, info, data)
	if err != nil || o.cache.put(o.dir, r.name(), content) != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.load()
	i, _ := slices.BinarySearchFunc(o.ranges, r.start, func(r cachedRange, start int64) int {
		return cmp.Compare(r.start, start)
	})
	if i == len(o.ranges) || o.ranges[i] != r {
		o.ranges = slices.Insert(o.ranges, i, r)
	}
}
