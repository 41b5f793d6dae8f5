// Package record is the form in which the facades store what they keep.
//
// A record is a line of JSON, which is the seal, and then the body as it is:
//
//	{"format":"kv/1","size":42,"sum":"...","seq":3,"nonces":["newest","...","oldest"]}
//
// The seal says which format the body has, how long it is, and what its checksum
// is: a record that was cut short or changed is an error, not another value. It
// also carries the lineage of the record, by which a writer whose answer was lost
// finds out what became of its write, even after others have written.
package record

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxSeal is the most bytes that a seal has, with its newline.
const MaxSeal = 384

// window is how many versions a lineage names. A writer can be told for certain what
// became of its write as long as fewer than that have followed.
const window = 8

// Format is the form of one kind of record.
type Format struct {
	// Name is the kind and the number of its format: "kv/1".
	Name string

	// Corrupt is in the chain of every error about a record that is damaged, or of
	// another format.
	Corrupt error
}

// Lineage says which writes led to a version of a record. The zero Lineage is that
// of a record that does not exist.
type Lineage struct {
	// Seq counts the writes, from 1.
	Seq int64 `json:"seq"`

	// Nonces are those of the last writes, the newest first.
	Nonces []string `json:"nonces"`
}

// seal is the first line of a record. Its order is that of the stored fields.
type seal struct {
	Format string `json:"format"`
	Size   int    `json:"size"`
	Sum    string `json:"sum"` // of the line without this field's value, and of the body
	Lineage
}

// next is the lineage of a version that replaces this one.
func (l Lineage) next() Lineage {
	nonces := append([]string{rand.Text()[:nonceLen]}, l.Nonces...)
	return Lineage{l.Seq + 1, nonces[:min(len(nonces), window)]}
}

const nonceLen = 13 // 65 bits

// Seal returns a record with that body, which replaces a version with the lineage
// old. It is unlike any other record, as [cas.Swap] demands.
func (f Format) Seal(body []byte, old Lineage) ([]byte, Lineage, error) {
	s := seal{Format: f.Name, Size: len(body), Lineage: old.next()}
	sum, err := s.sum(body)
	if err != nil {
		return nil, Lineage{}, err
	}
	s.Sum = sum
	line, err := json.Marshal(s)
	if err != nil {
		return nil, Lineage{}, err
	}
	return append(append(line, '\n'), body...), s.Lineage, nil
}

// Open returns the body of a record, and its lineage.
func (f Format) Open(value []byte) ([]byte, Lineage, error) {
	s, body, err := open(value)
	switch {
	case s.Format != f.Name && (s.Format != "" || err == nil):
		return nil, Lineage{}, fmt.Errorf("%w: the record has format %.40q, this program reads %q",
			f.Corrupt, s.Format, f.Name)
	case err != nil:
		return nil, Lineage{}, fmt.Errorf("%w: %w", f.Corrupt, err)
	}
	return body, s.Lineage, nil
}

// Intact returns an error if a value was cut short or changed, as far as that shows: by the
// seal of a record, of whatever format, or where it is JSON without one, by its syntax.
func Intact(value []byte) error {
	if bytes.HasPrefix(value, []byte(`{"format":`)) {
		_, _, err := open(value)
		return err
	}
	if bytes.HasPrefix(value, []byte("{")) && !json.Valid(value) {
		return errors.New("JSON that is cut short or damaged")
	}
	return nil
}

// open returns the seal of a record, as far as it has one, and the body.
func open(value []byte) (seal, []byte, error) {
	line, body, ok := bytes.Cut(value, []byte("\n"))
	if !ok || len(line) >= MaxSeal {
		return seal{}, nil, errors.New("no record: its first line is missing or cut short")
	}
	var s seal
	if err := json.Unmarshal(line, &s); err != nil {
		return seal{}, nil, fmt.Errorf("no record: %w", err)
	}
	switch {
	case s.Size != len(body):
		return s, nil, fmt.Errorf("a record of %d bytes has %d", s.Size, len(body))
	case s.Seq < 1 || len(s.Nonces) != int(min(s.Seq, window)):
		return s, nil, fmt.Errorf("write %d of a record names %d", s.Seq, len(s.Nonces))
	}
	if sum, err := s.sum(body); err != nil || sum != s.Sum {
		return s, nil, errors.New("the checksum of a record does not match")
	}
	return s, body, nil
}

func (s seal) sum(body []byte) (string, error) {
	s.Sum = ""
	line, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write(append(line, '\n'))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:sumSize]), nil
}

const sumSize = 16 // bytes, half a SHA-256

// fate is what became of a write.
type fate int

const (
	unknown fate = iota
	wasThere
	neverThere // and never will be: what it was to replace has been replaced
)

// of tells what became of the write with the lineage mine, now that the record has
// the lineage l.
func (l Lineage) of(mine Lineage) fate {
	at := l.Seq - mine.Seq // where mine is in l, if it is
	switch {
	case at < 0 || at >= int64(len(l.Nonces)):
		return unknown
	case l.Nonces[at] == mine.Nonces[0]:
		return wasThere
	case mine.Seq == 1, at+1 < int64(len(l.Nonces)) && l.Nonces[at+1] == mine.Nonces[1]:
		return neverThere
	}
	return unknown // another history, or one that is too long
}
