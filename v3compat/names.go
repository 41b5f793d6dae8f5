package v3compat

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The places of a backup, relative to the replica's root or to one another.
const (
	// GenerationsPrefix is the prefix of everything that is v0.3.x.
	GenerationsPrefix = "generations/"
	// SnapshotsDir is where a generation has its snapshots.
	SnapshotsDir = "snapshots/"
	// WALDir is where a generation has its WAL segments.
	WALDir = "wal/"
	// TimesName is the object, in a generation, that says when its other
	// objects were written; see [ReadTimes].
	TimesName = "times.json"

	snapshotSuffix = ".snapshot.lz4"
	segmentSuffix  = ".wal.lz4"
	tempSuffix     = ".tmp"

	generationLen = 16
	indexLen      = 8
	offsetMinLen  = 8
	offsetMaxLen  = 16
)

// IsGenerationID reports whether s is 16 lower-case hex digits.
func IsGenerationID(s string) bool { return len(s) == generationLen && isHex(s) }

// CheckGenerationID returns an error that is [ErrInvalidGeneration] unless s is
// a generation ID. What passes is safe to put into a key.
func CheckGenerationID(s string) error {
	if !IsGenerationID(s) {
		return fmt.Errorf("%w %q: want 16 lower-case hex digits", ErrInvalidGeneration, s)
	}
	return nil
}

// IsObjectKey reports whether a key is that of a snapshot or of a WAL segment.
func IsObjectKey(key string) bool {
	rest, ok := strings.CutPrefix(key, GenerationsPrefix)
	id, name, _ := strings.Cut(rest, "/")
	return ok && IsGenerationID(id) && isObjectName(name)
}

// FormatSnapshotName returns the name of the snapshot of an index.
func FormatSnapshotName(index int) string {
	return fmt.Sprintf("%08x"+snapshotSuffix, index)
}

// ParseSnapshotName parses the last segment of a snapshot's key.
func ParseSnapshotName(name string) (index int, err error) {
	digits, found := strings.CutSuffix(name, snapshotSuffix)
	index, ok := parseIndex(digits)
	if !found || !ok {
		return 0, fmt.Errorf("parse snapshot name %q: want 8 lower-case hex digits and %s", name, snapshotSuffix)
	}
	return index, nil
}

// FormatWALSegmentName returns the name of the WAL segment of an index that
// starts at offset. Offsets past 4 GiB take more than 8 digits.
// https://github.com/benbjohnson/litestream/issues/1442
func FormatWALSegmentName(index int, offset int64) string {
	return fmt.Sprintf("%08x_%08x"+segmentSuffix, index, offset)
}

// ParseWALSegmentName parses the last segment of a WAL segment's key. An offset
// with more leading zeros than [FormatWALSegmentName] gives it is legal.
func ParseWALSegmentName(name string) (index int, offset int64, err error) {
	digits, found := strings.CutSuffix(name, segmentSuffix)
	left, right, _ := strings.Cut(digits, "_")
	index, ok1 := parseIndex(left)
	offset, ok2 := parseOffset(right)
	if !found || !ok1 || !ok2 {
		return 0, 0, fmt.Errorf("parse WAL segment name %q: want 8 lower-case hex digits, _, 8 to 16 of them, and %s", name,
			segmentSuffix)
	}
	return index, offset, nil
}

// GenerationPrefix is the prefix of all keys of a generation.
func GenerationPrefix(generation string) string { return GenerationsPrefix + generation + "/" }

// SnapshotKey is the key of a snapshot.
func SnapshotKey(generation string, index int) string {
	return GenerationPrefix(generation) + SnapshotsDir + FormatSnapshotName(index)
}

// WALSegmentKey is the key that Litestream gives a WAL segment.
func WALSegmentKey(generation string, index int, offset int64) string {
	return GenerationPrefix(generation) + WALDir + FormatWALSegmentName(index, offset)
}

// TimesKey is the key of a generation's times.
func TimesKey(generation string) string { return GenerationPrefix(generation) + TimesName }

func parseIndex(s string) (int, bool) {
	if len(s) != indexLen || !isHex(s) {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 16, 32)
	return int(n), err == nil && n <= math.MaxInt
}

func parseOffset(s string) (int64, bool) {
	if len(s) < offsetMinLen || len(s) > offsetMaxLen || !isHex(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 16, 64)
	return n, err == nil
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
