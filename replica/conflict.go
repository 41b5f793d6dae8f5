package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
)

// ErrConflict is in the chain of every *ConflictError.
var ErrConflict = errors.New("ltx file exists with other content")

// ConflictError says that a create-only write found another file under its
// name: two writers made different files of the same transactions, and one of them
// believed wrongly that it was alone. What is there was not touched.
//
// It satisfies errors.Is with [ErrConflict] and fs.ErrExist.
type ConflictError struct {
	Key    string  // in the replica
	Ours   Version // that was to be written
	Theirs Version // that is there
}

// Version is one side of a conflict.
type Version struct {
	Size int64

	// Generation and Owner are of the lease that the writer held, as far as the
	// file's metadata tell; zero and empty if they do not.
	Generation int64
	Owner      string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: %v: there %v, here %v", e.Key, ErrConflict, e.Theirs, e.Ours)
}

// Is implements the interface of errors.Is.
func (e *ConflictError) Is(target error) bool {
	return target == ErrConflict || target == fs.ErrExist
}

// String is for people: an owner is quoted, since another wrote it.
func (v Version) String() string {
	s := fmt.Sprintf("%d bytes", v.Size)
	switch {
	case v.Generation > 0 && v.Owner != "":
		s += fmt.Sprintf(" by %q (lease generation %d)", v.Owner, v.Generation)
	case v.Generation > 0:
		s += fmt.Sprintf(" by lease generation %d", v.Generation)
	case v.Owner != "":
		s += fmt.Sprintf(" by %q", v.Owner)
	}
	return s
}

// The object metadata in which a [FencedClient] says under which lease a file was
// written. The owner is percent-encoded and at most 256 bytes long.
const (
	MetadataLeaseGeneration = "lease-generation"
	MetadataLeaseOwner      = "lease-owner"
)

const maxOwner = 256

func stampLease(metadata map[string]string, lease replicate.Lease) {
	metadata[MetadataLeaseGeneration] = strconv.FormatInt(lease.Generation, 10)
	if owner := encodeOwner(lease.Owner); owner != "" {
		metadata[MetadataLeaseOwner] = owner
	}
}

// VersionOf tells who wrote an object, by its metadata, which anybody may have written.
func VersionOf(info blob.Info) Version { return version(info.Size, info.Metadata) }

func version(size int64, metadata map[string]string) Version {
	v := Version{Size: size, Owner: decodeOwner(metadata[MetadataLeaseOwner])}
	if n, err := strconv.ParseInt(metadata[MetadataLeaseGeneration], 10, 64); err == nil && n > 0 {
		v.Generation = n
	}
	return v
}

// encodeOwner makes free text fit for a header: printable ASCII without spaces,
// which signatures fold, and without "?", which may begin an RFC 2047 word. What
// is too long is cut between characters.
func encodeOwner(owner string) string {
	var b strings.Builder
	for len(owner) > 0 {
		_, n := utf8.DecodeRuneInString(owner)
		encoded := url.PathEscape(owner[:n])
		if b.Len()+len(encoded) > maxOwner {
			break
		}
		b.WriteString(encoded)
		owner = owner[n:]
	}
	return b.String()
}

func decodeOwner(value string) string {
	value = value[:min(len(value), maxOwner)]
	if owner, err := url.PathUnescape(value); err == nil {
		return owner
	}
	return value
}
