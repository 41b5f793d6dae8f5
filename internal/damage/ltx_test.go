package damage

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/replctl/replicate/internal/testreplica"
)

const snapshotLevel = 9

func ltxVariants() []variant {
	return []variant{
		ltxTail("ltx-truncated", "the file ends in the middle of a page", func(root string, f, _ ltxFile) error {
			return cut(root, f.key)
		}),
		ltxTail("ltx-empty", "the file is there, with nothing in it", func(root string, f, _ ltxFile) error {
			return put(root, f.key, nil)
		}),
		ltxTail("ltx-gap", "the transaction is at no level any more, so the later ones cannot be reached",
			func(root string, f, _ ltxFile) error {
				return remove(root, f.key)
			}),
		ltxTail("ltx-bad-crc", "one bit of the file's checksum, in the trailer, is wrong",
			func(root string, f, _ ltxFile) error {
				return flip(root, f.key, func(size int) int { return size - 1 })
			}),
		ltxTail("ltx-bad-page", "one bit of a page is wrong", func(root string, f, _ ltxFile) error {
			return flip(root, f.key, func(size int) int { return size / 2 })
		}),
		ltxTail("ltx-wrong-name", "the file is a copy of the one before it: its header names another transaction",
			func(root string, f, before ltxFile) error {
				data, err := read(root, before.key)
				if err != nil {
					return err
				}
				return put(root, f.key, data)
			}),
		{
			Name: "ltx-no-snapshot", Base: "v0.5", Want: testreplica.Error, Apply: ltxNoSnapshot,
			Describe: "nothing starts at transaction 1, so there is nothing to apply the rest to",
		},
		{
			Name: "ltx-stray-temp", Base: "v0.5", Want: testreplica.Warning, Apply: ltxStrayTemp,
			Describe: "temporary files of uploads that never ended: one with half its content, one empty",
		},
		{
			Name: "ltx-foreign-names", Base: "v0.5", Want: testreplica.Warning, Apply: ltxForeignNames,
			Describe: "objects that are not LTX files by their name or their place",
		},
	}
}

// ltxTail is a variant in which the last transaction but one is damaged. It is
// at level 0 only, so nothing makes up for it, and the last is out of reach.
func ltxTail(name, describe string, apply func(root string, f, before ltxFile) error) variant {
	v := variant{Name: name, Base: "v0.5", Describe: describe, Want: testreplica.Error}
	v.Apply = func(root string) ([]string, error) {
		files, err := ltxFiles(root)
		if err != nil {
			return nil, err
		}
		compacted := maxTXID(slices.DeleteFunc(slices.Clone(files), func(f ltxFile) bool { return f.level == 0 }))
		tail := slices.DeleteFunc(files, func(f ltxFile) bool { return f.min <= compacted })
		if len(tail) < 3 {
			return nil, fmt.Errorf("%d files are at level 0 only, want 3", len(tail))
		}
		f, before := tail[len(tail)-2], tail[len(tail)-3]
		return one(f.key, apply(root, f, before))
	}
	return v
}

func ltxNoSnapshot(root string) ([]string, error) {
	files, err := ltxFiles(root)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, f := range files {
		if f.min == 1 {
			keys = append(keys, f.key)
		}
	}
	return keys, remove(root, keys...)
}

func ltxStrayTemp(root string) ([]string, error) {
	files, err := ltxFiles(root)
	if err != nil {
		return nil, err
	}
	last := slices.MaxFunc(files, func(a, b ltxFile) int { return a.compare(b) })
	data, err := read(root, last.key)
	if err != nil {
		return nil, err
	}
	half, empty := ltxKey(0, last.max+1, last.max+1)+".tmp", ltxKey(snapshotLevel, 1, last.max+1)+".tmp"
	if err := put(root, half, data[:len(data)/2]); err != nil {
		return nil, err
	}
	return []string{half, empty}, put(root, empty, nil)
}

// ltxForeignNames uses numbers that no file of the replica has, since on some
// file systems upper and lower case are the same name.
func ltxForeignNames(root string) ([]string, error) {
	return putAll(root, "ltx",
		".DS_Store",
		"README",
		"0/.DS_Store",
		"0/00000000000FFFFF-00000000000FFFFF.ltx",
		"0/fffff-fffff.ltx",
		"10/0000000000000001-0000000000000001.ltx",
		"9/0000000000000001-00000000000fffff.ltx.bak",
	)
}

// reduceLTX removes all but the last two snapshots, and whatever the last of them
// contains.
func reduceLTX(root string) error {
	files, err := ltxFiles(root)
	if err != nil || len(files) == 0 {
		return err
	}
	var snapshots []ltxFile
	for _, f := range files {
		if f.level == snapshotLevel {
			snapshots = append(snapshots, f)
		}
	}
	if len(snapshots) < 2 {
		return fmt.Errorf("%d snapshots, want 2", len(snapshots))
	}
	last, before := snapshots[len(snapshots)-1].max, snapshots[len(snapshots)-2].max
	for _, f := range files {
		superfluous := f.max <= last
		if f.level == snapshotLevel {
			superfluous = f.max < before
		}
		if superfluous {
			if err := remove(root, f.key); err != nil {
				return err
			}
		}
	}
	return nil
}

type ltxFile struct {
	key      string
	level    int
	min, max uint64
}

// compare orders files by their last transaction, then by level.
func (f ltxFile) compare(g ltxFile) int {
	if f.max != g.max {
		if f.max < g.max {
			return -1
		}
		return 1
	}
	return f.level - g.level
}

func maxTXID(files []ltxFile) uint64 {
	n := uint64(0)
	for _, f := range files {
		n = max(n, f.max)
	}
	return n
}

func ltxKey(level int, minTXID, maxTXID uint64) string {
	return fmt.Sprintf("ltx/%d/%016x-%016x.ltx", level, minTXID, maxTXID)
}

// ltxFiles lists a sound replica by level, then by name.
func ltxFiles(root string) ([]ltxFile, error) {
	keys, err := fs.Glob(os.DirFS(root), "ltx/*/*.ltx")
	if err != nil {
		return nil, err
	}
	files := make([]ltxFile, 0, len(keys))
	for _, key := range keys {
		f := ltxFile{key: key}
		if _, err := fmt.Sscanf(key, "ltx/%d/%016x-%016x.ltx", &f.level, &f.min, &f.max); err != nil {
			return nil, fmt.Errorf("%s in %s: %w", path.Base(key), root, err)
		}
		files = append(files, f)
	}
	return files, nil
}
