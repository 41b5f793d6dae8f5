package raft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/replctl/replicate/cas"
)

// A log entry is one command: a byte for the version of the format, a byte for the kind, and
// the rest. Lengths and numbers are unsigned varints.
//
//	1 'c' count { 'p' expect key value | 'd' expect key }   changes of records: put, delete
//	1 'x' bytes                                             a command of the Part
//
// Keys and values have their length before them. Expect is the index of the log entry that
// has written the version to be replaced, and 0 if there is to be none.
const commandVersion = 1

const (
	kindChanges = 'c'
	kindPart    = 'x'
	opPut       = 'p'
	opDelete    = 'd'
)

// What a command holds at most.
const (
	maxPrefix     = 128 // bytes of Options.Prefix, with its slash
	maxStoredKey  = maxPrefix + cas.MaxKeyLen
	maxPartBytes  = 16 << 20
	maxCommand    = cas.MaxBatch*(cas.MaxValueSize+maxStoredKey+32) + 16
	errCommandEnd = "it ends too early"
)

// change is one write or deletion of a record.
type change struct {
	key    string // with the prefix
	expect uint64 // 0: no record
	remove bool
	value  []byte
}

// command is a decoded log entry.
type command struct {
	changes []change
	part    []byte // nil unless it is the Part's
}

// token is the token of a version that was written with a log entry.
func token(index uint64) cas.Token {
	if index == 0 {
		return ""
	}
	return cas.Token(strconv.FormatUint(index, 10))
}

// indexOf is the log entry that a token names. No other string is a token.
func indexOf(t cas.Token) (uint64, bool) {
	if t == "" {
		return 0, true
	}
	n, err := strconv.ParseUint(string(t), 10, 64)
	return n, err == nil && token(n) == t
}

func encodeChanges(changes []change) []byte {
	size := 16
	for _, c := range changes {
		size += len(c.key) + len(c.value) + 32
	}
	b := append(make([]byte, 0, size), commandVersion, kindChanges)
	b = binary.AppendUvarint(b, uint64(len(changes)))
	for _, c := range changes {
		op := byte(opPut)
		if c.remove {
			op = opDelete
		}
		b = binary.AppendUvarint(append(b, op), c.expect)
		b = append(binary.AppendUvarint(b, uint64(len(c.key))), c.key...)
		if !c.remove {
			b = append(binary.AppendUvarint(b, uint64(len(c.value))), c.value...)
		}
	}
	return b
}

func encodePart(part []byte) ([]byte, error) {
	if len(part) > maxPartBytes {
		return nil, fmt.Errorf("%w: a command of %d bytes, at most %d allowed", cas.ErrTooLarge, len(part), maxPartBytes)
	}
	return append([]byte{commandVersion, kindPart}, part...), nil
}

// decodeCommand reads a log entry. Slices of the result are parts of b.
func decodeCommand(b []byte) (command, error) {
	switch {
	case len(b) < 2:
		return command{}, errors.New(errCommandEnd)
	case b[0] != commandVersion:
		return command{}, fmt.Errorf("version %d, this program knows %d: upgrade it", b[0], commandVersion)
	case b[1] == kindPart:
		return command{part: b[2:len(b):len(b)]}, nil
	case b[1] != kindChanges:
		return command{}, fmt.Errorf("kind %q is unknown: upgrade this program", b[1])
	}
	r := reader{b: b[2:]}
	n := r.number(cas.MaxBatch)
	c := command{changes: make([]change, 0, n)}
	for range n {
		c.changes = append(c.changes, r.change())
	}
	switch {
	case r.err != nil:
		return command{}, r.err
	case n == 0 || len(r.b) > 0:
		return command{}, fmt.Errorf("%d changes, and %d bytes after them", n, len(r.b))
	}
	return c, nil
}

// reader reads fields of a command. After an error it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) { r.b, r.err = nil, err }

func (r *reader) number(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case r.err != nil:
		return 0
	case n <= 0:
		r.fail(errors.New(errCommandEnd))
		return 0
	case v > limit:
		r.fail(fmt.Errorf("%d, at most %d allowed", v, limit))
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(limit uint64) []byte {
	n := r.number(limit)
	if uint64(len(r.b)) < n {
		r.fail(errors.New(errCommandEnd))
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) change() (c change) {
	if len(r.b) == 0 {
		r.fail(errors.New(errCommandEnd))
		return c
	}
	op := r.b[0]
	r.b = r.b[1:]
	c.expect, c.key = r.number(1<<64-1), string(r.bytes(maxStoredKey))
	switch {
	case r.err != nil:
	case c.key == "":
		r.fail(errors.New("a change of no key"))
	case op == opDelete:
		c.remove = true
	case op == opPut:
		c.value = r.bytes(cas.MaxValueSize)
	default:
		r.fail(fmt.Errorf("operation %q is unknown: upgrade this program", op))
	}
	return c
}
