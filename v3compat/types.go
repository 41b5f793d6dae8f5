package v3compat

import (
	"errors"
	"time"
)

// SnapshotInfo is one snapshot as a listing shows it. Its fields are those of
// Litestream's SnapshotInfoV3, so that one converts to the other.
type SnapshotInfo struct {
	Generation string
	Index      int
	Size       int64     // compressed, as stored
	CreatedAt  time.Time // see "Times" in the package documentation
}

// Pos is where the snapshot stands: before the first frame of its index.
func (i SnapshotInfo) Pos() Pos { return Pos{Generation: i.Generation, Index: i.Index} }

// WALSegmentInfo is one WAL segment as a listing shows it. Its fields are those
// of Litestream's WALSegmentInfoV3, so that one converts to the other.
type WALSegmentInfo struct {
	Generation string
	Index      int
	Offset     int64     // of its first byte, in the uncompressed log
	Size       int64     // compressed, as stored
	CreatedAt  time.Time // see "Times" in the package documentation
}

// Pos is where the segment starts.
func (i WALSegmentInfo) Pos() Pos {
	return Pos{Generation: i.Generation, Index: i.Index, Offset: i.Offset}
}

// Errors that callers may want to tell apart. All of them come wrapped, with
// the operation and the object.
var (
	// ErrInvalidGeneration says that a generation ID is not 16 lower-case hex
	// digits. It is reported before the ID becomes part of a key.
	ErrInvalidGeneration = errors.New("invalid generation ID")

	// ErrNoObjects says that a backup, or one generation of it, has no object at all:
	// the listing came back whole, and it was empty. A listing that failed is never
	// ErrNoObjects, and neither is an object that is gone.
	ErrNoObjects = errors.New("no objects there")

	// ErrTruncated says that an object ends before its LZ4 frame does.
	ErrTruncated = errors.New("truncated LZ4 frame")

	// ErrCorrupt says that an object is not one whole LZ4 frame, or that a
	// checksum in it does not match.
	ErrCorrupt = errors.New("corrupt LZ4 frame")

	// ErrContent says that an object was read whole and is not what belongs in its
	// place: no database, a log with a hole, a frame of another log.
	ErrContent = errors.New("wrong content")

	// ErrEncrypted says that an object is encrypted with age, an option that
	// Litestream had up to v0.3.13. Such objects can be listed, not read.
	ErrEncrypted = errors.New("encrypted with age")

	// ErrTimes says that a generation's times.json cannot be used.
	ErrTimes = errors.New("unusable " + TimesName)
)

// Severity says how bad a problem is.
type Severity string

const (
	// SeverityError means that something cannot be restored, or not all of it.
	SeverityError Severity = "error"
	// SeverityWarning means that something is not as Litestream left it, and
	// that nothing restorable is lost by it.
	SeverityWarning Severity = "warning"
	// SeverityInfo is worth knowing, and not wrong.
	SeverityInfo Severity = "info"
)

// Problem is one finding of an inspection.
type Problem struct {
	Severity Severity `json:"severity"`
	// Object is a key relative to the replica's root; it ends in "/" where the
	// finding is about all that is below.
	Object string `json:"object"`
	// Message says what is wrong and what follows from it.
	Message string `json:"message"`
}
