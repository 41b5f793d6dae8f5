package s3

import (
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/s3/internal/lineage"
)

// version is a record as read, with its lineage.
type version struct {
	cas.Record
	lineage lineage.Lineage
}

// memory is what a handle knows of the versions that it has read or written: the
// lineage of the last one of each key.
type memory map[string]version

const memoryKeys = 1024

// remember notes the last version of key.
func (r *Records) remember(key string, v version) {
	v.Value = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.seen[key]; v.Unchanged && old.Token == v.Token {
		return // a 304 says nothing of the lineage
	}
	if len(r.seen) >= memoryKeys || r.seen == nil {
		r.seen = make(memory) // what is forgotten costs one more read
	}
	r.seen[key] = v
}

// known is the lineage of the version of key with this token, if that is the last
// one that the handle has seen.
func (r *Records) known(key string, token cas.Token) (l lineage.Lineage, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.seen[key]
	if !ok || v.Token != token {
		return "", false
	}
	return v.lineage, true
}
