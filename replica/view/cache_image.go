package view

import (
	"io"
	"strconv"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/replica"
)

// imageChunk is how a restored database is cut for a cache.
const imageChunk = 1 << 20

// metaPageSize is where the description of a restored database has its page size.
const metaPageSize = "page-size"

// image is what the cache has of the database that objects restore to; nil if it can have
// nothing.
func (s *cachedStore) image(objects []replica.Object) *cachedObject {
	if s.cache == nil {
		return nil
	}
	distinct := []any{s.replica, "database"}
	for _, o := range objects {
		of := s.object(o.Key)
		if of == nil {
			return nil
		}
		distinct = append(distinct, of.id)
	}
	return s.cache.object(distinct...)
}

// loadImage writes a database that is in the cache to w. It returns false if it is not, or
// not whole.
func (o *cachedObject) loadImage(w io.WriterAt) (pageSize uint32, size int64, ok bool) {
	first, ok := o.covering(0, 1)
	if !ok {
		return 0, 0, false
	}
	info, _, ok := o.get(first.start, first.end)
	n, err := strconv.ParseUint(info.Metadata[metaPageSize], 10, 32)
	if !ok || err != nil {
		return 0, 0, false
	}
	for off := int64(0); off < info.Size; off += imageChunk {
		_, data, ok := o.get(off, min(info.Size, off+imageChunk))
		if !ok {
			return 0, 0, false
		}
		if _, err := w.WriteAt(data, off); err != nil {
			return 0, 0, false
		}
	}
	return uint32(n), info.Size, true
}

// saveImage keeps a database, unless it is more than half of what the cache may have.
func (o *cachedObject) saveImage(r io.ReaderAt, pageSize uint32, size int64) {
	if o == nil || size > o.cache.max/2 {
		return
	}
	info := blob.Info{Size: size, Metadata: map[string]string{metaPageSize: strconv.Itoa(int(pageSize))}}
	for off := int64(0); off < size; off += imageChunk {
		data := make([]byte, min(imageChunk, size-off))
		if _, err := r.ReadAt(data, off); err != nil {
			return
		}
		o.put(off, data, info)
	}
}
