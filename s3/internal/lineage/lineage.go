// Package lineage keeps the recent history of a record with the record, so that a writer
// whose PUT was refused can tell whether it had been applied before.
package lineage

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/replctl/replicate/cas"
)

// Name is that of the metadata in which a lineage is kept.
const Name = "replicate-lineage"

// Lineage is the recent history of a record, kept in the object's metadata: a
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
type Lineage string

const (
	maxSteps = 16
	maxBytes = 1 << 10 // S3 allows 2 KiB of metadata
)

// Next is the lineage of value where it replaces the version with token expect,
// whose own lineage is l. It is empty where the token does not fit into a step.
func (l Lineage) Next(value []byte, expect cas.Token) Lineage {
	if strings.ContainsFunc(string(expect), func(r rune) bool { return r <= ' ' || r > '~' || r == ';' }) {
		return ""
	}
	steps := []string{Digest(value) + "=" + string(expect)}
	size := len(steps[0])
	for step := range strings.SplitSeq(string(l), ";") {
		if size += len(step) + 1; step == "" || len(steps) == maxSteps || size > maxBytes {
			break
		}
		steps = append(steps, step)
	}
	return Lineage(strings.Join(steps, ";"))
}

// Of is l if its newest step wrote value, and empty otherwise: other software may
// have replaced the content and kept the metadata.
func (l Lineage) Of(value []byte) Lineage {
	if head, _, ok := strings.Cut(string(l), "="); !ok || head != Digest(value) {
		return ""
	}
	return l
}

// Replacement finds the write that replaced the version with token expect: the
// digest of its value, and its token. The newest version has the token newest.
func (l Lineage) Replacement(expect, newest cas.Token) (wrote string, token cas.Token, ok bool) {
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

// Digest names a value. Values of one record are unlike each other by their nonce,
// and nobody gains anything by a collision.
func Digest(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:8])
}
