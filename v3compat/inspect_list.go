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
	err := r.walk(ctx, in.generation, "", func(name string, info blob.Info) (bool, error) {
		if strings.HasSuffix(name, "/") {
			return true, nil // a foreign directory with nothing in it
		}
		if in.objects++; in.objects > maxObjects {
			return false, fmt.Errorf("generation %s: more than %d objects, which no replicator keeps", in.generation, maxObjects)
		}
		if name == TimesName {
			in.times = &info
			return true, nil
		}
		in.add(name, info)
		return true, nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(in.segments, (*segment).compare)
	if in.times == nil {
		return nil
	}
	return in.applyTimes(ctx, r)
}

func (in *inspection) add(name string, info blob.Info) {
	if parsed, ok := parseObject(in.generation, name, info); ok {
		o := object{Object: parsed}
		switch {
		case info.IsPrefix():
			o.damage, o.barred = "a directory stands in its place", true
		case o.Size == 0:
			o.damage = "empty object"
		}
		if o.isSnapshot() {
			in.snapshots = append(in.snapshots, &o)
		} else {
			in.segments = append(in.segments, &segment{object: o})
		}
		return
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
		if o.Size > 0 || o.barred {
			continue
		}
		if looks++; looks > maxLooks {
			return nil
		}
		rc, err := store.Open(ctx, o.Key, 0, 1)
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
func (in *inspection) applyTimes(ctx context.Context, r *Reader) error {
	times, err := r.loadTimes(ctx, *in.times)
	in.times.Key = strings.TrimSuffix(in.times.Key, "/") // of a directory in its place
	var unusable *ObjectError
	switch {
	case errors.Is(err, ErrTimes) && errors.As(err, &unusable):
		in.problem(SeverityError, unusable.Key, "%v: no object's time is known, and nothing can be restored by time",
			unusable.Err)
		in.timesErr = err
	case err != nil:
		return err
	}
	prefix := GenerationPrefix(in.generation)
	seen := make(map[string]bool, len(times.times))
	for o := range in.all {
		name := strings.TrimPrefix(o.Key, prefix)
		seen[name] = true
		var ok bool
		if o.At, ok = times.times[name]; !ok && err == nil {
			in.problem(SeverityError, o.Key, "%s does not mention it: its time is unknown, and it cannot be restored by time",
				TimesName)
		}
	}
	for name, at := range times.times {
		if isObjectName(name) && !seen[name] {
			in.miss(prefix+name, name, at)
		}
	}
	slices.SortFunc(in.lost, (*segment).compare)
	return nil
}

// miss is for an object that times.json mentions. A segment that a snapshot needs is
// lost: nothing else shows it where it was the last of its index.
func (in *inspection) miss(key, name string, at time.Time) {
	o, _ := parseObject(in.generation, name, blob.Info{Key: key, ModTime: at})
	if o.isSnapshot() || len(in.snapshots) == 0 || o.Pos.Index < in.snapshots[0].Pos.Index {
		in.problem(SeverityWarning, key, "%s mentions it and it is not here: the copy is incomplete, or was pruned later",
			TimesName)
		return
	}
	in.problem(SeverityError, key, "%s mentions it and it is not here: %s", TimesName, in.consequence(o.Pos.Index))
	in.lost = append(in.lost, &segment{object: object{Object: o}})
}

// all yields every snapshot and segment.
func (in *inspection) all(yield func(*object) bool) {
	for _, s := range in.snapshots {
		if !yield(s) {
			return
		}
	}
	for _, s := range in.segments {
		if !yield(&s.object) {
			return
		}
	}
}
