package damage

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/internal/testreplica"
)

var update = flag.Bool("update", false, "write testdata/damaged anew")

// tree reads all files below dir, by slash-separated name.
func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[name], err = os.ReadFile(filepath.Join(dir, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func names(files map[string][]byte) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// build makes all variants below dir, as they are committed.
func build(t *testing.T, dir string) {
	t.Helper()
	for _, v := range variants() {
		report, err := v.build(testreplica.Root(t), filepath.Join(dir, v.Name, "replica"))
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, v.Name, "damage.json"), append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCommittedVariantsAreCurrent(t *testing.T) {
	committed := filepath.Join(testreplica.Root(t), "damaged")
	if *update {
		if err := os.RemoveAll(committed); err != nil {
			t.Fatal(err)
		}
		build(t, committed)
	}
	fresh := t.TempDir()
	build(t, fresh)
	got, want := tree(t, committed), tree(t, fresh)
	if diff := cmp.Diff(names(want), names(got)); diff != "" {
		t.Fatalf("fresh (-) and committed (+) differ; run with -update:\n%s", diff)
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s differs from what is made now; run with -update", name)
		}
	}
}

// Each variant differs from its sound base in the objects it reports, and in
// nothing else; and it does so for a whole base, too.
func TestVariantsDamageWhatTheyReport(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.Name, func(t *testing.T) {
			dir := testreplica.Copy(t, v.Base)
			before := tree(t, dir)
			objects, err := v.Apply(dir)
			if err != nil {
				t.Fatal(err)
			}
			after := tree(t, dir)
			changed := []string{}
			for name := range after {
				if _, ok := before[name]; !ok {
					before[name] = nil
					changed = append(changed, name)
				}
			}
			for name := range before {
				if data, ok := after[name]; !slices.Contains(changed, name) && (!ok || !bytes.Equal(data, before[name])) {
					changed = append(changed, name)
				}
			}
			slices.Sort(changed)
			slices.Sort(objects)
			if diff := cmp.Diff(changed, objects); diff != "" {
				t.Errorf("changed (-) and reported (+) differ:\n%s", diff)
			}
			if damaged := len(changed) > 0; damaged != (v.Want != testreplica.None) {
				t.Errorf("%d objects changed, want severity %s", len(changed), v.Want)
			}
		})
	}
}

// Damage must not keep a test from getting a copy.
func TestCommittedVariantsCanBeCopied(t *testing.T) {
	for _, v := range variants() {
		name := "damaged/" + v.Name
		got, want := names(tree(t, testreplica.Copy(t, name))), names(tree(t, testreplica.Dir(t, name)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: committed (-) and copied (+) differ:\n%s", name, diff)
		}
	}
}

// What git stores is each content once, however many variants share it.
func TestDistinctContentStaysSmall(t *testing.T) {
	const limit = 2 << 20
	seen := make(map[[sha256.Size]byte]bool)
	total := 0
	for _, data := range tree(t, testreplica.Root(t)) {
		if sum := sha256.Sum256(data); !seen[sum] {
			seen[sum] = true
			total += len(data)
		}
	}
	if total > limit {
		t.Errorf("testdata is %d bytes, each content once; want at most %d", total, limit)
	}
}
