package v3compat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
)

// maxObjects bounds what is held in memory of one generation, about 1 GB: a segment a
// second for seven weeks. It is a variable for tests.
var maxObjects = 4 << 20

// list takes stock of the generation in one listing, and gives every
// object its time.
func (in *inspection) list(ctx context.Context, r *Reader) error {
	var timesInfo blob.Info
	err := r.walk(ctx, in.generation, "", func(name string, info blob.Info) (bool, error) {
		if strings.HasSuffix(name, "/") {
			return true, nil // a foreign directory with nothing in it
		}
		if in.objects++; in.objects > maxObjects {
			return false, fmt.Errorf("generation %s: more than %d objects, which no replicator keeps", in.generation, maxObjects)
		}
		if name == TimesName {
			timesInfo = info
			return true, nil
		}
		in.add(name, info)
		return true, nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(in.segments, compareSegment)
	if err := in.lookAtEmpty(ctx, r.store); err != nil {
		return err
	}
	if timesInfo.Key != "" {
		if err := in.applyTimes(ctx, r, timesInfo); err != nil {
			return err
		}
	}
	return nil
}

func compareSegment(a, b *segment) int {
	return a.pos("").Compare(b.pos(""))
}

func (in *inspection) add(name string, info blob.Info) {
	o := object{key: GenerationPrefix(in.generation) + name, size: info.Size, at: info.ModTime}
	switch {
	case info.IsPrefix():
		o.damage, o.barred = "a directory stands in its place", true
	case o.size == 0:
		o.damage = "empty object"
	}
	if base, ok := strings.CutPrefix(name, SnapshotsDir); ok {
		if index, err := ParseSnapshotName(base); err == nil {
			in.snapshots = append(in.snapshots, &snapshot{object: o, index: index})
			return
		}
	}
	if base, ok := strings.CutPrefix(name, WALDir); ok {
		if index, offset, err := ParseWALSegmentName(base); err == nil {
			in.segments = append(in.segments, &segment{object: o, index: index, offset: offset})
			return
		}
	}
	if strings.HasSuffix(name, tempSuffix) {
		in.problem(SeverityWarning, info.Key, "leftover of an interrupted write: it is ignored and may be deleted when "+
			"nothing replicates to this place")
		return
	}
	in.problem(SeverityWarning, info.Key, "not a name that Litestream writes here: it is ignored")
}

// maxLooks bounds how many empty objects are opened to find out why they are empty.
const maxLooks = 100

// lookAtEmpty finds out which of the empty objects are none: a listing shows a pipe, or
// a link that leads nowhere, like an empty object.
func (in *inspection) lookAtEmpty(ctx context.Context, store blob.Reader) error {
	looks := 0
	for o := range in.all {
		if o.size > 0 || o.barred {
			continue
		}
		if looks++; looks > maxLooks {
			return nil
		}
		rc, err := store.Open(ctx, o.key, 0, 1)
		switch {
		case err == nil:
			_ = rc.Close()
		case blob.IsObjects(err):
			o.bar(err)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// applyTimes replaces the store's times by those of times.json. Where that
// cannot be done the time stays unknown.
func (in *inspection) applyTimes(ctx context.Context, r *Reader, info blob.Info) error {
	times, err := r.loadTimes(ctx, info)
	var unusable *ObjectError
	switch {
	case errors.Is(err, ErrTimes) && errors.As(err, &unusable):
		in.problem(SeverityError, unusable.Key, "%v: no object's time is known, and nothing can be restored by time",
			unusable.Err)
		in.timesErr = err
	case err != nil:
		return err
	}
	in.timed = err == nil
	prefix := GenerationPrefix(in.generation)
	seen := make(map[string]bool, len(times.times))
	for o := range in.all {
		name := strings.TrimPrefix(o.key, prefix)
		seen[name] = true
		var ok bool
		if o.at, ok = times.times[name]; !ok && err == nil {
			in.problem(SeverityError, o.key, "%s does not mention it: its time is unknown, and it cannot be restored by time",
				TimesName)
		}
	}
	for name, at := range times.times {
		if isObjectName(name) && !seen[name] {
			in.miss(prefix+name, strings.TrimPrefix(name, WALDir), at)
		}
	}
	slices.SortFunc(in.lost, compareSegment)
	return nil
}

// miss is for an object that times.json mentions. A segment that a snapshot needs is
// lost: nothing else shows it where it was the last of its index.
func (in *inspection) miss(key, base string, at time.Time) {
	index, offset, err := ParseWALSegmentName(base)
	if err != nil || len(in.snapshots) == 0 || index < in.snapshots[0].index {
		in.problem(SeverityWarning, key, "%s mentions it and it is not here: the copy is incomplete, or was pruned later",
			TimesName)
		return
	}
	in.problem(SeverityError, key, "%s mentions it and it is not here: %s", TimesName, in.consequence(index))
	in.lost = append(in.lost, &segment{object: object{key: key, at: at}, index: index, offset: offset})
}

// all yields every snapshot and segment.
func (in *inspection) all(yield func(*object) bool) {
	for _, s := range in.snapshots {
		if !yield(&s.object) {
			return
		}
	}
	for _, s := range in.segments {
		if !yield(&s.object) {
			return
		}
	}
}
