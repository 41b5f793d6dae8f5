package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxKeyLen is the longest key, in bytes, that a Store takes: the limit of S3.
const MaxKeyLen = 1024

// Info describes one object, or, in a delimited listing, one common prefix.
type Info struct {
	// Key is the object's name relative to the store's root, with "/" between
	// its segments. A common prefix ends in "/"; an object's key never does.
	Key string

	// Size is the object's length in bytes; zero for a prefix.
	Size int64

	// ModTime is the time the engine shows for the object: the modification
	// time of a file, S3's LastModified. It is a cache of what the content
	// says about itself, never the authority, and may be rounded to seconds.
	ModTime time.Time

	// ETag changes when the content changes, where the engine offers one for
	// free; empty otherwise. It is opaque: not a checksum, not ordered.
	ETag string

	// Link: the entry is a prefix, and a link to a directory, in an engine that has links. Who
	// walks a tree passes them over, or may walk for ever.
	Link bool

	// Metadata are the pairs given to Write. Stat and Write fill it where the
	// engine can carry pairs; List leaves it nil. It is the caller's to change.
	Metadata map[string]string
}

// IsPrefix reports whether the entry stands for all keys below Key ("dir/").
func (i Info) IsPrefix() bool { return strings.HasSuffix(i.Key, "/") }

// ListOptions narrow a listing. The zero value lists everything.
type ListOptions struct {
	// After skips every key that is not greater than it, at the cost of what
	// is left, not of what is skipped: S3 sends it as StartAfter, the file
	// engine does not stat what it skips. It need not exist, but it has to
	// start with the listing's prefix. With Delimited it must be on the level
	// that is listed: no "/" after the prefix.
	After string

	// Delimited lists one level: keys with a "/" after the prefix are rolled
	// up into one entry per segment, a prefix entry (see Info.IsPrefix). Where
	// the engine has directories, nothing need be below it.
	Delimited bool

	// EmptyDirs also yields, where the engine has directories, each one with
	// nothing below it, as a prefix entry. It is for a listing of all levels in
	// which a directory must not hide that an object of its name is gone.
	EmptyDirs bool

	// Limit ends the listing, without an error, after so many entries; zero
	// means no limit. It is for who knows how many it wants: S3 is asked for no
	// more than that, where a loop that is left has paid for a page of 1,000.
	Limit int
}

// WriteOptions are how an object is written. The zero value writes or replaces.
type WriteOptions struct {
	// ModTime is what Info.ModTime should later show, for engines where a
	// writer can set it (file, memory). S3 cannot; it shows the upload's time.
	// Zero means the time of writing.
	ModTime time.Time

	// Metadata are short pairs to keep with the object: names of lower-case
	// letters, digits and "-", printable ASCII values, MaxMetadata bytes in all
	// (see [CheckMetadata]). An engine with no place for them says so in
	// its package documentation and drops them.
	Metadata map[string]string

	// IfAbsent creates and never replaces. When the key exists already, Write
	// fails with an error that is fs.ErrExist and changes nothing. Of any
	// number of racing creators exactly one succeeds. The object that is there
	// stays there: the error promises what Write's success would, durability.
	IfAbsent bool

	// Guard, if set, is asked right before each step that makes the object
	// visible: the rename, the request that carries or completes the object.
	// Its error ends the Write, is in the chain, and nothing is visible then,
	// unless an attempt before was let pass and its outcome is unknown.
	Guard func() error
}

// Reader is the read side of a Store, and all that a format reader needs.
type Reader interface {
	// List yields the objects whose keys start with prefix, in ascending byte
	// order. The prefix is empty or ends in "/". A prefix with nothing under
	// it yields nothing and no error, and so does a root that does not exist
	// yet.
	//
	// A listing has every name, whether its object can be read or not. If a name leads
	// to nothing, or to something that is no object, such as a pipe, its entry has
	// size 0, and Open and Stat say why ([ErrUnreadable]).
	//
	// In an engine with directories an object can stand where a directory is to
	// be. Below it there is nothing then, or an error: that is the engine's to say.
	//
	// An error ends the iteration and is its last value. Breaking out of the
	// loop ends the work behind it. The context covers the whole iteration. The
	// loop may use the store, this handle too: open, write, delete, list.
	List(ctx context.Context, prefix string, opts ListOptions) iter.Seq2[Info, error]

	// Open reads length bytes from offset; a length of zero or less means to
	// the end. Where the object ends before offset+length the reader ends
	// there, with io.EOF, and an offset at or past the end gives an empty
	// reader. A negative offset is an error. A missing object is an error for which os.IsNotExist and
	// errors.Is(err, fs.ErrNotExist) hold (see [Named]), reported here, not by Read.
	//
	// The reader must be closed. It fails, rather than mixing two versions,
	// when the object is replaced while it is read, or else (file) goes on
	// reading the version it opened. The context covers the reading as well.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Stat describes one object, with Metadata. A missing one is the error
	// that it is for Open.
	Stat(ctx context.Context, key string) (Info, error)
}

// Describer may be implemented by what Open returns: a reader that was told about the
// object when it was opened, so that no Stat is needed.
type Describer interface {
	// Describe returns what Stat would have said of the version that is read. It
	// returns false where the engine does not know.
	Describe() (Info, bool)
}

// ModTimeKeeper is a Store that may show the time that a writer gave (see
// WriteOptions.ModTime), so that it need not be kept a second time.
type ModTimeKeeper interface {
	Store

	// KeepsModTime reports whether it does.
	KeepsModTime() bool
}

// Sweeper is a Store in which interrupted writes leave something that no listing
// shows.
type Sweeper interface {
	Store

	// Sweep removes it from the prefix, which is as for List; what writers that
	// are alive are at stays.
	Sweep(ctx context.Context, prefix string) error
}

// Store is a root in an engine: a directory, or a bucket and a prefix.
//
// Errors name the operation, the key and the cause. They satisfy errors.Is with
// fs.ErrNotExist, fs.ErrExist and fs.ErrPermission where these are the cause,
// and with [ErrInvalidKey] for a key that [CheckKey] refuses.
type Store interface {
	Reader

	// Write stores all of r under key. It reads r once, from its current
	// position to io.EOF; an io.Seeker may be read again for a retry, and
	// lets an engine learn the length first. If r fails, so does Write, with
	// r's error in the chain, and nothing is visible.
	//
	// The returned Info describes what was written.
	Write(ctx context.Context, key string, r io.Reader, opts WriteOptions) (Info, error)

	// Delete removes the objects. A key that does not exist is not an error:
	// afterwards it is gone, which is what was asked. Every key is tried; the
	// error joins one *DeleteError for each key that may still be there.
	Delete(ctx context.Context, keys []string) error
}

// ErrIndeterminate is in the chain of an error of Write that does not tell whether
// the object was written: the answer was lost, and the object could not be read
// back. If it turns up, it is durable, unless the error is ErrNotDurable, too.
var ErrIndeterminate = errors.New("outcome of the write is unknown")

// ErrNotDurable is an ErrIndeterminate that no reading resolves: the object may be
// visible, or become it, and the store could not make it durable.
var ErrNotDurable = fmt.Errorf("%w: it may not survive a crash", ErrIndeterminate)

// ErrUnreadable is in the chain of an error about an object that is there and that
// nobody can read as it is: archived in cold storage, a link that leads nowhere, a pipe
// in the place of a file. It is the object's own fault, not the store's or the reader's.
var ErrUnreadable = errors.New("object cannot be read")

// ErrInvalidKey is in the chain of every error about a malformed key.
var ErrInvalidKey = errors.New("invalid key")

// CheckKey returns an error that is [ErrInvalidKey] unless key is a legal
// object name: slash-separated UTF-8 segments, none of them empty, "." or "..",
// with no backslash and no control character, at most MaxKeyLen bytes. What
// passes means the same object on every engine and on every operating system.
func CheckKey(key string) error {
	switch {
	case !fs.ValidPath(key) || key == ".":
		return fmt.Errorf("%w %q: want slash-separated segments, none empty, %q or %q", ErrInvalidKey, key, ".", "..")
	case len(key) > MaxKeyLen:
		return fmt.Errorf("%w: %d bytes long, at most %d allowed", ErrInvalidKey, len(key), MaxKeyLen)
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == utf8.RuneError }):
		return fmt.Errorf("%w %q: control characters and backslashes are not allowed", ErrInvalidKey, key)
	}
	return nil
}

// MaxMetadata is how many bytes the names and values of an object's metadata may
// have in all. S3 takes 2 KiB; an engine's own, and with MinIO the prefix of each
// header, have to fit in as well.
const MaxMetadata = 3 << 9

// CheckMetadata enforces the limits of [WriteOptions], in the engines and not at a
// store that may drop or fold what it does not like.
func CheckMetadata(m map[string]string) error {
	size := 0
	for name, value := range m {
		size += len(name) + len(value)
		if err := checkPair(name, value); err != nil {
			return err
		}
	}
	if size > MaxMetadata {
		return fmt.Errorf("metadata: %d bytes, at most %d allowed", size, MaxMetadata)
	}
	return nil
}

func checkPair(name, value string) error {
	switch {
	case name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return fmt.Errorf("metadata %q: want lower-case letters, digits and -", name)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(value) != value:
		return fmt.Errorf("metadata %q: value is not printable ascii", name)
	}
	return nil
}

// CheckList returns an error unless prefix and opts may be listed; see
// [Reader.List] and [ListOptions] for the rules. It is [ErrInvalidKey] where it is
// about a key.
func CheckList(prefix string, opts ListOptions) error {
	if opts.Limit < 0 {
		return fmt.Errorf("negative limit %d", opts.Limit)
	}
	if prefix != "" {
		dir, ok := strings.CutSuffix(prefix, "/")
		if !ok {
			return fmt.Errorf("%w: list prefix %q must end in /", ErrInvalidKey, prefix)
		}
		if err := CheckKey(dir); err != nil {
			return err
		}
	}
	rest, ok := strings.CutPrefix(opts.After, prefix)
	if opts.After != "" && !ok {
		return fmt.Errorf("%w: list after %q is not below prefix %q", ErrInvalidKey, opts.After, prefix)
	}
	if opts.Delimited && strings.Contains(rest, "/") {
		return fmt.Errorf("%w: list after %q is below the delimited level %q", ErrInvalidKey, opts.After, prefix)
	}
	return nil
}

// DeleteError says that one object could not be deleted.
type DeleteError struct {
	Key string
	Err error
}

func (e *DeleteError) Error() string { return fmt.Sprintf("delete %s: %v", e.Key, e.Err) }

func (e *DeleteError) Unwrap() error { return e.Err }
