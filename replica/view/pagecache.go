package view

import (
	"container/list"
	"sync"
)

// pageCache keeps the pages that were used last.
type pageCache struct {
	pageSize int
	bytes    int64 // of pages

	mu    sync.Mutex
	most  int                      // pages
	pages map[uint32]*list.Element // of *cachedPage
	used  list.List                // least recently used first
	hits  int64
}

type cachedPage struct {
	pgno uint32
	data []byte
}

// newPageCache is for some bytes of pages, at least one page.
func newPageCache(pageSize int, bytes int64) *pageCache {
	c := &pageCache{pageSize: pageSize, bytes: bytes, pages: map[uint32]*list.Element{}}
	c.leave(0)
	return c
}

// leave gives up so many of the bytes.
func (c *pageCache) leave(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most = max(1, int((c.bytes-n)/int64(c.pageSize)))
	for c.used.Len() > c.most {
		e := c.used.Front()
		delete(c.pages, e.Value.(*cachedPage).pgno)
		c.used.Remove(e)
	}
}

// get copies a page from an offset on to p.
func (c *pageCache) get(pgno uint32, p []byte, offset int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.pages[pgno]
	if !ok {
		return false
	}
	c.used.MoveToBack(e)
	copy(p, e.Value.(*cachedPage).data[offset:])
	c.hits++
	return true
}

// put keeps a copy of a page.
func (c *pageCache) put(pgno uint32, page []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.pages[pgno]; ok {
		return
	}
	var e *list.Element
	if c.used.Len() < c.most {
		e = c.used.PushBack(&cachedPage{data: make([]byte, c.pageSize)})
	} else {
		e = c.used.Front()
		delete(c.pages, e.Value.(*cachedPage).pgno)
		c.used.MoveToBack(e)
	}
	kept := e.Value.(*cachedPage)
	kept.pgno = pgno
	copy(kept.data, page)
	c.pages[pgno] = e
}

func (c *pageCache) has(pgno uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.pages[pgno]
	return ok
}

func (c *pageCache) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits
}
