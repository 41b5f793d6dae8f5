package damage

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/replctl/replicate/internal/testreplica"
)

func v3Variants() []variant {
	return []variant{
		v3Tail("v3-missing-initial", "the WAL file has no beginning: its segment at offset 0 is missing",
			func(root string, wal []string) ([]string, error) {
				return one(wal[0], remove(root, wal[0]))
			}),
		v3Tail("v3-offset-gap", "a segment from the middle of a WAL file is missing",
			func(root string, wal []string) ([]string, error) {
				key := wal[len(wal)/2]
				return one(key, remove(root, key))
			}),
		v3Tail("v3-index-gap", "a whole WAL file is missing, with others before and after it",
			func(root string, wal []string) ([]string, error) {
				return wal, remove(root, wal...)
			}),
		v3Tail("v3-truncated-lz4", "a segment ends in the middle of its LZ4 frame",
			func(root string, wal []string) ([]string, error) {
				key := wal[len(wal)/2]
				return one(key, cut(root, key))
			}),
		v3Tail("v3-bad-lz4", "one bit inside a segment's LZ4 frame is wrong",
			func(root string, wal []string) ([]string, error) {
				key := wal[len(wal)/2]
				return one(key, flip(root, key, func(size int) int { return size / 2 }))
			}),
		{
			Name: "v3-no-snapshot", Base: "v0.3", Want: testreplica.Error, Apply: v3NoSnapshot,
			Describe: "a generation with WAL files and no snapshot to apply them to",
		},
		{
			Name: "v3-stray-temp", Base: "v0.3", Want: testreplica.Warning, Apply: v3StrayTemp,
			Describe: "temporary files of uploads that never ended: half a segment, an empty snapshot",
		},
		{
			Name: "v3-foreign-names", Base: "v0.3", Want: testreplica.Warning, Apply: v3ForeignNames,
			Describe: "objects that are no part of a backup by their name or their place",
		},
	}
}

// v3Tail is a variant in which one WAL file is damaged, of the newest generation,
// after its last snapshot and before its last WAL file: nothing makes up for it,
// and the latest state is out of reach.
func v3Tail(name, describe string, apply func(root string, wal []string) ([]string, error)) variant {
	v := variant{Name: name, Base: "v0.3", Describe: describe, Want: testreplica.Error}
	v.Apply = func(root string) ([]string, error) {
		g, err := newest(root)
		if err != nil {
			return nil, err
		}
		first, last := g.snapshots[len(g.snapshots)-1], g.segments[len(g.segments)-1].index
		middle := first + (last-first)/2
		wal := g.wal(middle)
		if middle == first || len(wal) < 4 {
			return nil, fmt.Errorf("WAL file %08x of %s to %s is too small", middle, first.key(g),
				g.segments[len(g.segments)-1].key)
		}
		return apply(root, wal)
	}
	return v
}

func v3NoSnapshot(root string) ([]string, error) {
	g, err := newest(root)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, i := range g.snapshots {
		keys = append(keys, i.key(g))
	}
	return keys, remove(root, keys...)
}

func v3StrayTemp(root string) ([]string, error) {
	g, err := newest(root)
	if err != nil {
		return nil, err
	}
	last := g.segments[len(g.segments)-1]
	data, err := read(root, last.key)
	if err != nil {
		return nil, err
	}
	next := last.index + 1
	half, empty := fmt.Sprintf("%s/wal/%08x_00000000.wal.lz4.tmp", g.dir, next), next.key(g)+".tmp"
	if err := put(root, half, data[:len(data)/2]); err != nil {
		return nil, err
	}
	return []string{half, empty}, put(root, empty, nil)
}

// v3ForeignNames uses numbers that no object of the backup has, since on some
// file systems upper and lower case are the same name.
func v3ForeignNames(root string) ([]string, error) {
	g, err := newest(root)
	if err != nil {
		return nil, err
	}
	keys, err := putAll(root, "generations", "README", "NOT-A-GENERATION/README")
	if err != nil {
		return nil, err
	}
	more, err := putAll(root, g.dir,
		".DS_Store",
		"snapshots/0000FFFF.snapshot.lz4",
		"snapshots/ffff.snapshot.lz4",
		"wal/0000FFFF_00000000.wal.lz4",
		"wal/0000ffff_1000.wal.lz4",
		"wal/0000ffff_00000000.wal",
	)
	return append(keys, more...), err
}

// reduceV3 removes what the newest generation and its last two snapshots make
// superfluous, from times.json as well.
func reduceV3(root string) error {
	if _, err := os.Stat(filepath.Join(root, "generations")); os.IsNotExist(err) {
		return nil
	}
	g, err := newest(root)
	if err != nil {
		return err
	}
	dirs, err := fs.Glob(os.DirFS(root), "generations/*")
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if dir != g.dir {
			if err := os.RemoveAll(filepath.Join(root, filepath.FromSlash(dir))); err != nil {
				return err
			}
		}
	}
	first := g.snapshots[max(0, len(g.snapshots)-2)]
	for name := range g.times.Times {
		var i index
		if _, err := fmt.Sscanf(path.Base(name), "%08x", &i); err != nil {
			return fmt.Errorf("%s/%s: %w", g.dir, name, err)
		}
		if i < first {
			delete(g.times.Times, name)
			if err := remove(root, path.Join(g.dir, name)); err != nil {
				return err
			}
		}
	}
	data, err := json.MarshalIndent(g.times, "", "  ")
	if err != nil {
		return err
	}
	return put(root, g.dir+"/times.json", append(data, '\n'))
}

type index uint32

func (i index) key(g generation) string {
	return fmt.Sprintf("%s/snapshots/%08x.snapshot.lz4", g.dir, uint32(i))
}

type segment struct {
	key   string
	index index
}

// generation is one of a sound backup.
type generation struct {
	dir       string
	snapshots []index   // ascending
	segments  []segment // by index, then offset
	times     timesFile
	updated   string // the latest time
}

// timesFile keeps the times as they are written: the fixed width makes them
// order as text.
type timesFile struct {
	Version int               `json:"version"`
	Times   map[string]string `json:"times"`
}

// wal are the keys of one index, by offset.
func (g generation) wal(i index) []string {
	var keys []string
	for _, s := range g.segments {
		if s.index == i {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// newest is the generation that was written to last.
func newest(root string) (generation, error) {
	dirs, err := fs.Glob(os.DirFS(root), "generations/*")
	if err != nil {
		return generation{}, err
	}
	var all []generation
	for _, dir := range dirs {
		g, err := load(root, dir)
		if err != nil {
			return g, fmt.Errorf("%s: %w", dir, err)
		}
		all = append(all, g)
	}
	if len(all) == 0 {
		return generation{}, fmt.Errorf("no generation in %s", root)
	}
	return slices.MaxFunc(all, func(a, b generation) int { return strings.Compare(a.updated, b.updated) }), nil
}

func load(root, dir string) (generation, error) {
	g := generation{dir: dir}
	data, err := read(root, dir+"/times.json")
	if err != nil {
		return g, err
	}
	if err := json.Unmarshal(data, &g.times); err != nil {
		return g, err
	}
	for name, at := range g.times.Times {
		var i index
		if _, err := fmt.Sscanf(path.Base(name), "%08x", &i); err != nil {
			return g, fmt.Errorf("%s: %w", name, err)
		}
		if path.Dir(name) == "snapshots" {
			g.snapshots = append(g.snapshots, i)
		} else {
			g.segments = append(g.segments, segment{path.Join(dir, name), i})
		}
		g.updated = max(g.updated, at)
	}
	slices.Sort(g.snapshots)
	slices.SortFunc(g.segments, func(a, b segment) int { return strings.Compare(a.key, b.key) })
	if len(g.snapshots) == 0 || len(g.segments) == 0 {
		return g, fmt.Errorf("%d snapshots, %d segments", len(g.snapshots), len(g.segments))
	}
	return g, nil
}
