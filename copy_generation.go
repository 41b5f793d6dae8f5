package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/v3compat"
)

// objectV3 is a snapshot or a WAL segment under the name that it is stored by,
// which may have more zeros than Litestream gives it.
type objectV3 struct {
	key  string
	pos  v3compat.Pos
	size int64
	at   time.Time // by times.json, or else by the store; zero if not known
}

// generationV3 is what one generation of a v0.3 backup consists of.
type generationV3 struct {
	id        string
	snapshots []*objectV3 // by index
	segments  []*objectV3 // by index and offset
	times     *blob.Info  // of times.json; nil if there is none
	timesErr  error       // why times.json cannot be read
}

// listGenerations lists a v0.3 backup, with the times that are to be believed.
func listGenerations(ctx context.Context, store blob.Reader) ([]*generationV3, error) {
	ids, err := v3compat.New(store).Generations(ctx)
	if err != nil {
		return nil, err
	}
	var found []*generationV3
	for _, id := range ids {
		g, err := listGeneration(ctx, store, id)
		if err != nil {
			return nil, fmt.Errorf("list generation %s: %w", id, err)
		}
		if !g.empty() {
			found = append(found, g)
		}
	}
	return found, nil
}

func listGeneration(ctx context.Context, store blob.Reader, id string) (*generationV3, error) {
	g := &generationV3{id: id}
	for info, err := range v3compat.New(store).Objects(ctx, id) {
		if err != nil {
			return nil, err
		}
		info.Key = strings.TrimSuffix(info.Key, "/") // of a directory in an object's place
		g.add(info)
	}
	slices.SortStableFunc(g.segments, compareV3)
	return g, g.readTimes(ctx, store)
}

func compareV3(a, b *objectV3) int {
	return cmp.Or(cmp.Compare(a.pos.Index, b.pos.Index), cmp.Compare(a.pos.Offset, b.pos.Offset))
}

func (g *generationV3) empty() bool { return len(g.snapshots)+len(g.segments) == 0 }

func (g *generationV3) add(info blob.Info) {
	name := g.name(info.Key)
	o := &objectV3{key: info.Key, pos: v3compat.Pos{Generation: g.id}, size: info.Size, at: info.ModTime}
	var err error
	if base, ok := strings.CutPrefix(name, v3compat.SnapshotsDir); ok {
		if o.pos.Index, err = v3compat.ParseSnapshotName(base); err == nil {
			g.snapshots = append(g.snapshots, o)
		}
	} else if base, ok := strings.CutPrefix(name, v3compat.WALDir); ok {
		if o.pos.Index, o.pos.Offset, err = v3compat.ParseWALSegmentName(base); err == nil {
			g.segments = append(g.segments, o)
		}
	} else if name == v3compat.TimesName {
		g.times = &info
	}
}

// name is that of an object below the generation, as in times.json.
func (g *generationV3) name(key string) string {
	return strings.TrimPrefix(key, v3compat.GenerationPrefix(g.id))
}

// readTimes replaces the store's times by those of times.json. If that cannot be
// used, no time is known.
func (g *generationV3) readTimes(ctx context.Context, store blob.Reader) error {
	if g.times == nil {
		return nil
	}
	times, err := readTimes(ctx, store, g.id)
	switch {
	case blob.IsObjects(err), errors.Is(err, v3compat.ErrTimes):
		g.timesErr = err
	case err != nil:
		return err
	}
	for _, o := range g.all() {
		o.at = times[g.name(o.key)]
	}
	return nil
}

func (g *generationV3) all() []*objectV3 { return slices.Concat(g.snapshots, g.segments) }

// newest is the time of the newest object, and whether all times are known.
func (g *generationV3) newest() (at time.Time, known bool) {
	known = true
	for _, o := range g.all() {
		known = known && !o.at.IsZero()
		if o.at.After(at) {
			at = o.at
		}
	}
	return at, known
}

// only is the generation less what is not kept.
func (g *generationV3) only(keep map[string]bool) *generationV3 {
	dropped := func(o *objectV3) bool { return !keep[o.key] }
	return &generationV3{
		id: g.id, times: g.times, timesErr: g.timesErr,
		snapshots: slices.DeleteFunc(slices.Clone(g.snapshots), dropped),
		segments:  slices.DeleteFunc(slices.Clone(g.segments), dropped),
	}
}

// readTimes reads a generation's times.json; what is missing is fs.ErrNotExist,
// what is unusable v3compat.ErrTimes.
func readTimes(ctx context.Context, store blob.Reader, id string) (map[string]time.Time, error) {
	rc, err := store.Open(ctx, v3compat.TimesKey(id), 0, 0)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	times, err := v3compat.ReadTimes(rc)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", v3compat.TimesKey(id), err)
	}
	return times, nil
}
