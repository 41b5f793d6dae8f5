package cas

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Limits, so that every engine can hold what any other can. A key of S3 has at most 1,024
// bytes: MaxKeyLen leaves 128 of them for the path in the bucket that the records are below.
const (
	MaxKeyLen     = 896     // bytes
	MaxSegmentLen = 200     // bytes of a key between two slashes; a file name has room for 255
	MaxValueSize  = 1 << 20 // bytes
)

// Errors that callers tell apart, found with errors.Is.
var (
	// ErrConflict: the record is not the expected one. The write was certainly
	// not applied, and never will be. A store's refusal alone is no proof of it:
	// something on the way may have repeated a request that was applied.
	ErrConflict = errors.New("record has changed")

	// ErrIndeterminate: the write was perhaps applied, or may yet be: its
	// answer was lost, or did not say, or was a refusal that nothing proves.
	// Only reading tells; see Swap.
	ErrIndeterminate = errors.New("outcome of write unknown")

	// ErrNotDurable is an ErrIndeterminate that no reading resolves: the store
	// could not make the write durable. Readers may see it, and a crash may
	// still undo it.
	ErrNotDurable = fmt.Errorf("%w: it may not survive a crash", ErrIndeterminate)

	// ErrUnsupported: the store cannot make a write conditional. Nothing was
	// written, and nothing ever will be.
	ErrUnsupported = errors.New("store does not support conditional writes")

	// ErrInvalidKey: CheckKey refuses the key.
	ErrInvalidKey = errors.New("invalid record key")

	// ErrTooLarge: the value is, or the stored record is, above MaxValueSize.
	ErrTooLarge = errors.New("record too large")
)

// Token names one version of a record. It comes from a read or a write and goes
// back with a write; it has no other meaning, is not ordered, and belongs to the
// engine that gave it. The zero Token is that of a record that does not exist.
type Token string

// Record is one version of a record, as read.
type Record struct {
	// Token names the version; zero if the record does not exist.
	Token Token

	// Value is the content; nil if the record does not exist or is Unchanged.
	Value []byte

	// Unchanged: the record still has the token that the reader knew, and the
	// value was not fetched.
	Unchanged bool

	// StoreTime is what the store's own clock said when it answered; zero
	// where there is none but the local one. Its resolution may be a second.
	StoreTime time.Time
}

// Exists reports whether there is a record at all.
func (r Record) Exists() bool { return r.Token != "" }

// Entry is one record in a listing.
type Entry struct {
	Key   string
	Token Token // of the version that was listed
}

// Written is what a write that was applied returns.
type Written struct {
	// Token names the version that was written.
	Token Token

	// StoreTime is the store's own time of the answer, as in [Record].
	StoreTime time.Time
}

// Store is a set of records under one root: a directory, or a bucket and prefix.
//
// Keys are as [CheckKey] wants them. Errors name the operation, the key and the
// cause. An error of Write that is not ErrIndeterminate means that nothing was,
// or will be, written. A value that is given or returned is the caller's: it may be
// changed afterwards, and the record stays what it is.
type Store interface {
	// Read returns the record's current version. One that does not exist is a
	// Record with a zero Token, not an error.
	//
	// With a known token that is not zero the caller has that version already:
	// if it is still the current one, the engine may answer with Unchanged and
	// without the value, where that is cheaper (an HTTP 304).
	Read(ctx context.Context, key string, known Token) (Record, error)

	// Write replaces the record with value if its current version is the one
	// that expect names; with a zero token, if it does not exist. It returns
	// the new version's token and, where the store has a clock, its time.
	//
	// The request is sent once, but something on the way may repeat it. So the
	// engine takes a refusal for a conflict only if the current record proves
	// it, and returns ErrIndeterminate otherwise.
	Write(ctx context.Context, key string, value []byte, expect Token) (Written, error)

	// List yields the records whose keys start with prefix and are greater
	// than after, in ascending byte order. The prefix is empty or ends in "/".
	// An error ends it and is its last value. What changes meanwhile may be
	// listed as it was or as it is. The loop may use the store, this handle too:
	// read, write, list.
	List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error]
}

// CheckKey returns an error that is [ErrInvalidKey] unless key is a legal name
// of a record: at most MaxKeyLen bytes in slash-separated segments, each of up to
// MaxSegmentLen lower-case letters, digits and "-_.=", and not beginning with ".". Such a key
// means the same on every engine, on case-insensitive filesystems too. Encode other
// characters. A key must not continue another one ("a" and "a/b"):
// a directory cannot hold a file and a directory of one name.
func CheckKey(key string) error {
	if len(key) > MaxKeyLen {
		return fmt.Errorf("%w: %d bytes long, at most %d allowed", ErrInvalidKey, len(key), MaxKeyLen)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if len(segment) > MaxSegmentLen {
			return fmt.Errorf("%w: segment of %d bytes, at most %d allowed", ErrInvalidKey, len(segment), MaxSegmentLen)
		}
		if segment == "" || segment[0] == '.' || strings.Trim(segment, keyCharacters) != "" {
			return fmt.Errorf("%w %q: want slash-separated segments of lower-case letters, digits and -_.=, "+
				"not beginning with a dot", ErrInvalidKey, key)
		}
	}
	return nil
}

const keyCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-_.="

// CheckPrefix is CheckKey for a List's prefix.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	dir, ok := strings.CutSuffix(prefix, "/")
	if !ok {
		return fmt.Errorf("%w: list prefix %q must end in /", ErrInvalidKey, prefix)
	}
	return CheckKey(dir)
}

// CheckWrite checks the arguments of a Write.
func CheckWrite(key string, value []byte) error {
	if len(value) > MaxValueSize {
		return fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, len(value), MaxValueSize)
	}
	return CheckKey(key)
}
