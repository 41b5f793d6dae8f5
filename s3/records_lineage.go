package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/replctl/replicate/cas"
)

// lineage is the recent history of a record, kept in the object's metadata: a
// step for each of the last writes, the newest first. The step "digest=token"
// says that a write of the value with this digest replaced the version with this
// token; the token is empty where the write created the record.
//
// It tells what a 412 does not. Where a proxy repeats a PUT, the first may have
// been applied and replaced by a third writer before the second was refused. A
// write of mine that expected a version was either the one that replaced it, or
// it was never applied; the step that replaced that version says which.
//
// A writer copies the lineage of the version that it replaces, if it has read or
// written that version, and starts a new one otherwise. Other software, as
// Litestream, writes none. A shorter lineage proves less, and never anything
// wrong.
type lineage string

const (
	lineageName  = "replicate-lineage" // of the metadata
	lineageSteps = 16
	lineageBytes = 1 << 10 // S3 allows 2 KiB of metadata
)

// next is the lineage of value where it replaces the version with token expect,
// whose own lineage is l. It is empty where the token does not fit into a step.
func (l lineage) next(value []byte, expect cas.Token) lineage {
	if strings.ContainsFunc(string(expect), func(r rune) bool { return r <= ' ' || r > '~' || r == ';' }) {
		return ""
	}
	steps := []string{digest(value) + "=" + string(expect)}
	size := len(steps[0])
	for step := range strings.SplitSeq(string(l), ";") {
		if size += len(step) + 1; step == "" || len(steps) == lineageSteps || size > lineageBytes {
			break
		}
		steps = append(steps, step)
	}
	return lineage(strings.Join(steps, ";"))
}

// of is l if its newest step wrote value, and empty otherwise: other software may
// have replaced the content and kept the metadata.
func (l lineage) of(value []byte) lineage {
	if head, _, ok := strings.Cut(string(l), "="); !ok || head != digest(value) {
		return ""
	}
	return l
}

// replacement finds the write that replaced the version with token expect: the
// digest of its value, and its token. The newest version has the token newest.
func (l lineage) replacement(expect, newest cas.Token) (wrote string, token cas.Token, ok bool) {
	token = newest
	for step := range strings.SplitSeq(string(l), ";") {
		wrote, replaced, ok := strings.Cut(step, "=")
		if !ok {
			break
		}
		if cas.Token(replaced) == expect {
			return wrote, token, true
		}
		token = cas.Token(replaced)
	}
	return "", "", false
}

// digest names a value. Values of one record are unlike each other by their nonce,
// and nobody gains anything by a collision.
func digest(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:8])
}

// version is a record as read, with its lineage.
type version struct {
	cas.Record
	lineage lineage
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
func (r *Records) known(key string, token cas.Token) (l lineage, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.seen[key]
	if !ok || v.Token != token {
		return "", false
	}
	return v.lineage, true
}
