package v3compat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
)

// Object is a snapshot or a WAL segment, under the key that it is stored by, which may have
// more zeros than Litestream gives it.
type Object struct {
	Key  string
	Pos  Pos
	Size int64     // in bytes, as stored
	At   time.Time // by times.json, or else by the store; zero if not known
}

// parseObject returns the object with a name below its generation; ok says whether it is
// the name of one.
func parseObject(generation, name string, info blob.Info) (o Object, ok bool) {
	o = Object{Key: strings.TrimSuffix(info.Key, "/"), Pos: Pos{Generation: generation}, Size: info.Size, At: info.ModTime}
	var err error
	if base, found := strings.CutPrefix(name, SnapshotsDir); found {
		o.Pos.Index, err = ParseSnapshotName(base)
	} else if base, found = strings.CutPrefix(name, WALDir); found {
		o.Pos.Index, o.Pos.Offset, err = ParseWALSegmentName(base)
	} else {
		return o, false
	}
	return o, err == nil
}

func isObjectName(name string) bool {
	_, ok := parseObject("", name, blob.Info{})
	return ok
}

func (o *Object) isSnapshot() bool { return strings.HasSuffix(o.Key, snapshotSuffix) }

func (o *Object) snapshotInfo() SnapshotInfo {
	return SnapshotInfo{o.Pos.Generation, o.Pos.Index, o.Size, o.At}
}

func (o *Object) segmentInfo() WALSegmentInfo {
	return WALSegmentInfo{o.Pos.Generation, o.Pos.Index, o.Pos.Offset, o.Size, o.At}
}

// Compare orders objects of one generation by their positions.
func (o *Object) Compare(other *Object) int { return o.Pos.Compare(other.Pos) }

// Generation is what one generation of a backup consists of, by its names.
type Generation struct {
	ID        string
	Snapshots []*Object  // by index
	Segments  []*Object  // by index and offset
	Times     *blob.Info // of times.json; nil if there is none
	TimesErr  error      // why times.json cannot be read: then no object's time is known
}

// ListAll lists the generations of a backup that have objects, with the times that are to
// be believed. It reads no object but times.json.
func (r *Reader) ListAll(ctx context.Context) ([]*Generation, error) {
	ids, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Generation
	for _, id := range ids {
		g, err := r.List(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("list generation %s: %w", id, err)
		}
		if !g.Empty() {
			found = append(found, g)
		}
	}
	return found, nil
}

// List lists one generation, as ListAll does. One that is not there is empty.
func (r *Reader) List(ctx context.Context, id string) (*Generation, error) {
	in := &inspection{generation: id}
	if err := in.list(ctx, r); err != nil {
		return nil, err
	}
	g := &Generation{ID: id, Times: in.times, TimesErr: in.timesErr}
	for _, s := range in.snapshots {
		g.Snapshots = append(g.Snapshots, &s.Object)
	}
	for _, s := range in.segments {
		g.Segments = append(g.Segments, &s.Object)
	}
	return g, nil
}

// Empty reports whether there is neither a snapshot nor a segment.
func (g *Generation) Empty() bool { return len(g.Snapshots)+len(g.Segments) == 0 }

// Name is the name of an object below the generation, as in times.json.
func (g *Generation) Name(key string) string { return strings.TrimPrefix(key, GenerationPrefix(g.ID)) }

// All are the snapshots and the segments.
func (g *Generation) All() []*Object { return slices.Concat(g.Snapshots, g.Segments) }

// Newest is the time of the newest object, and whether all times are known.
func (g *Generation) Newest() (at time.Time, known bool) {
	known = true
	for _, o := range g.All() {
		known = known && !o.At.IsZero()
		if o.At.After(at) {
			at = o.At
		}
	}
	return at, known
}

// Only is the generation less the objects whose keys are not kept.
func (g *Generation) Only(keep map[string]bool) *Generation {
	dropped := func(o *Object) bool { return !keep[o.Key] }
	return &Generation{
		ID: g.ID, Times: g.Times, TimesErr: g.TimesErr,
		Snapshots: slices.DeleteFunc(slices.Clone(g.Snapshots), dropped),
		Segments:  slices.DeleteFunc(slices.Clone(g.Segments), dropped),
	}
}

// ReadTimes reads a generation's times.json: for each object, by its name below the
// generation, when it was written. A file that is missing is fs.ErrNotExist, an unusable
// one [ErrTimes].
func (r *Reader) ReadTimes(ctx context.Context, id string) (map[string]time.Time, error) {
	times, err := r.loadTimes(ctx, blob.Info{Key: TimesKey(id)})
	return times.times, err
}

// PutTimes replaces a generation's times.json. It leaves out names that no object of a
// generation can have.
func PutTimes(ctx context.Context, store blob.Store, id string, times map[string]time.Time) error {
	if store == nil {
		return errors.New("no store given to write times to")
	}
	kept := make(map[string]time.Time, len(times))
	for name, at := range times {
		if isObjectName(name) {
			kept[name] = at
		}
	}
	var b bytes.Buffer
	if err := WriteTimes(&b, kept); err != nil {
		return err
	}
	_, err := store.Write(ctx, TimesKey(id), bytes.NewReader(b.Bytes()), blob.WriteOptions{})
	return err
}
