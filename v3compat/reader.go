package v3compat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/replctl/replicate/blob"
)

// Reader reads the v0.3.x backup in a store. It is safe for concurrent use and
// remembers nothing: each call shows the store as it is. Without a store, as the zero Reader
// is, each call is an error.
type Reader struct {
	store blob.Reader
}

// New returns a reader of the backup whose generations/ is at the store's root.
func New(store blob.Reader) *Reader { return &Reader{store: store} }

func (r *Reader) from() blob.Reader {
	if r.store == nil {
		return unknown{}
	}
	return r.store
}

// Generations lists the generation IDs, ascending. None is not an error. Other
// names in generations/ are passed over.
func (r *Reader) Generations(ctx context.Context) ([]string, error) {
	var ids []string
	for info, err := range r.from().List(ctx, GenerationsPrefix, blob.ListOptions{Delimited: true}) {
		if err != nil {
			return nil, fmt.Errorf("list generations: %w", err)
		}
		id, found := strings.CutSuffix(strings.TrimPrefix(info.Key, GenerationsPrefix), "/")
		switch {
		case !IsGenerationID(id):
		case found:
			ids = append(ids, id)
		default:
			if err := blob.CheckBelow(ctx, r.from(), info.Key); err != nil {
				return nil, fmt.Errorf("list generations: %w", err)
			}
		}
	}
	return ids, nil
}

// Snapshots lists a generation's snapshots by index. Names that are no
// snapshots are passed over; [Reader.Inspect] reports them. A generation that
// does not exist has none.
//
// With a times.json it costs one request more than the listing.
func (r *Reader) Snapshots(ctx context.Context, generation string) ([]SnapshotInfo, error) {
	var snapshots []SnapshotInfo
	var times objectTimes                       // which come after the snapshots in key order
	after := SnapshotsDir[:len(SnapshotsDir)-2] // before a file in the place of the directory
	err := r.walk(ctx, generation, after, func(name string, info blob.Info) (more bool, err error) {
		if o, ok := parseObject(generation, name, info); ok && o.isSnapshot() {
			snapshots = append(snapshots, o.snapshotInfo())
		}
		if name == TimesName {
			times, err = r.loadTimes(ctx, info)
		}
		return name < TimesName, err
	})
	for i := 0; i < len(snapshots) && err == nil; i++ {
		s := &snapshots[i]
		s.CreatedAt, err = times.of(SnapshotsDir+FormatSnapshotName(s.Index), s.CreatedAt)
	}
	if err != nil {
		return nil, fmt.Errorf("list snapshots of %q: %w", generation, err)
	}
	return snapshots, nil
}

// WALSegments lists a generation's WAL segments by index, then offset. Names
// that are no segments are passed over; [Reader.Inspect] reports them. Two
// names for one offset give two entries. A generation that does not exist has
// none.
//
// With a times.json it costs one request more than the listing.
func (r *Reader) WALSegments(ctx context.Context, generation string) ([]WALSegmentInfo, error) {
	var segments []WALSegmentInfo
	var times objectTimes
	after := TimesName[:len(TimesName)-1]
	err := r.walk(ctx, generation, after, func(name string, info blob.Info) (more bool, err error) {
		if name == TimesName {
			times, err = r.loadTimes(ctx, info)
		}
		if o, ok := parseObject(generation, name, info); ok {
			o.At, err = times.of(name, o.At)
			segments = append(segments, o.segmentInfo())
		}
		return err == nil && (name < WALDir || strings.HasPrefix(name, WALDir)), err
	})
	if err != nil {
		return nil, fmt.Errorf("list WAL segments of %q: %w", generation, err)
	}
	// Names with more than 8 digits of offset are out of order.
	slices.SortStableFunc(segments, func(a, b WALSegmentInfo) int { return a.Pos().Compare(b.Pos()) })
	return segments, nil
}

// walk visits a generation in one listing, from behind a name on: its objects, and what
// does not belong there among them, with their names relative to the generation. A directory
// that stands in the place of an object has that object's name, and a key with "/" behind
// it; what is in it is not listed. A file in the place of a directory of the generation is
// an error.
//
// It shows whether there is a times.json without a request for it: it is between the two
// directories in key order.
func (r *Reader) walk(ctx context.Context, generation, after string,
	visit func(name string, info blob.Info) (more bool, err error)) error {
	if err := CheckGenerationID(generation); err != nil {
		return err
	}
	prefix := GenerationPrefix(generation)
	last := ""
	for info, err := range r.from().List(ctx, prefix, blob.ListOptions{After: prefix + after, EmptyDirs: true}) {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(info.Key, prefix)
		if name+"/" == SnapshotsDir || name+"/" == WALDir {
			if err := blob.CheckBelow(ctx, r.from(), info.Key); err != nil {
				return err
			}
		}
		if object := objectAbove(name); object != "" {
			name, info = object, blob.Info{Key: prefix + object + "/"}
		}
		if name == SnapshotsDir || name == WALDir || info.Key == last {
			continue // a directory with nothing in it; more of what is below a name
		}
		last = info.Key
		if more, err := visit(name, info); err != nil || !more {
			return err
		}
	}
	return nil
}

// objectAbove returns the name of an object that the name leads through, if it does.
func objectAbove(name string) string {
	for i := range len(name) {
		if object := name[:i]; name[i] == '/' && (object == TimesName || isObjectName(object)) {
			return object
		}
	}
	return ""
}

// OpenSnapshot reads a snapshot, decompressed. A missing one is fs.ErrNotExist.
// Damage is an error from Read that names the object and is [ErrTruncated] or
// [ErrCorrupt]; io.EOF means that the whole object was there and its checksum
// matches. The reader must be closed.
func (r *Reader) OpenSnapshot(ctx context.Context, generation string, index int) (io.ReadCloser, error) {
	if err := checkPos(generation, index, 0); err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	key := SnapshotKey(generation, index)
	rc, err := r.from().Open(ctx, key, 0, 0)
	return newObjectReader(key, rc, err)
}

// OpenWALSegment reads a WAL segment, decompressed, with the guarantees of
// [Reader.OpenSnapshot]. Where the name that Litestream gives the segment does
// not exist, it is looked for under names with more leading zeros.
func (r *Reader) OpenWALSegment(ctx context.Context, generation string,
	index int, offset int64) (io.ReadCloser, error) {
	if err := checkPos(generation, index, offset); err != nil {
		return nil, fmt.Errorf("open WAL segment: %w", err)
	}
	return newObjectReader(r.openSegment(ctx, generation, index, offset))
}

// newObjectReader makes sure that os.IsNotExist holds for the error of a missing object,
// whatever the store has wrapped around it.
func newObjectReader(key string, rc io.ReadCloser, err error) (io.ReadCloser, error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, blob.Named("open", key, err)
	case err != nil:
		return nil, err // names the key
	}
	return newFrameReader(key, rc), nil
}

// openSegment opens a segment as it is stored, under any of its names.
func (r *Reader) openSegment(ctx context.Context, generation string,
	index int, offset int64) (key string, rc io.ReadCloser, err error) {
	key = WALSegmentKey(generation, index, offset)
	rc, err = r.from().Open(ctx, key, 0, 0)
	for width := offsetMaxLen; width > offsetMinLen && errors.Is(err, fs.ErrNotExist); width-- {
		padded := fmt.Sprintf("%s%s%08x_%0*x%s", GenerationPrefix(generation), WALDir, index, width, offset, segmentSuffix)
		if padded == key {
			break
		}
		paddedRC, paddedErr := r.from().Open(ctx, padded, 0, 0)
		if !errors.Is(paddedErr, fs.ErrNotExist) {
			return padded, paddedRC, paddedErr
		}
	}
	return key, rc, err
}

// checkPos refuses what cannot be part of a name.
func checkPos(generation string, index int, offset int64) error {
	switch {
	case index < 0 || uint64(index) > math.MaxUint32:
		return fmt.Errorf("index %d out of range: at most 8 hex digits", index)
	case offset < 0:
		return fmt.Errorf("negative offset %d", offset)
	}
	return CheckGenerationID(generation)
}
