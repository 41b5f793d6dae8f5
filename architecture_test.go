package replicate_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/replctl/replicate"

// imports are the imports of this module's packages from one another, of the files that are not
// tests. The root is "replicate".
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "bench" || strings.HasPrefix(d.Name(), ".") && name != "."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := short(path.Join(module, path.Dir(filepath.ToSlash(name))))
		found[pkg] = append(found[pkg], "")[:len(found[pkg])] // known, even without imports
		for _, spec := range f.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if target == module || strings.HasPrefix(target, module+"/") {
				found[pkg] = append(found[pkg], short(target))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, targets := range found {
		slices.Sort(targets)
		found[pkg] = slices.Compact(targets)
	}
	return found
}

func short(importPath string) string {
	if importPath == module {
		return "replicate"
	}
	return strings.TrimPrefix(importPath, module+"/")
}

// isForTests reports whether only tests may import a package.
func isForTests(pkg string) bool {
	testTools := []string{"damage", "fakereplica", "fakes3", "faults", "footprint", "interop", "leasesim", "mutant",
		"pgserver", "race", "rafttest", "s3servers", "tally", "testreplica", "trap"}
	base := path.Base(pkg)
	return strings.HasSuffix(base, "test") && base != "test" || strings.HasPrefix(pkg, "internal/clock/") ||
		slices.ContainsFunc(testTools, func(tool string) bool {
			return pkg == "internal/"+tool || strings.HasPrefix(pkg, "internal/"+tool+"/")
		})
}

// section is the rows of the table below a heading of docs/architecture.md: the packages
// that each cell names.
func section(t *testing.T, heading string) (rows [][][]string) {
	t.Helper()
	b, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/architecture.md has no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	names := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || !strings.Contains(line, "`") {
			continue
		}
		var cells [][]string
		for _, cell := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			var found []string
			for _, m := range names.FindAllStringSubmatch(cell, -1) {
				found = append(found, m[1])
			}
			cells = append(cells, found)
		}
		rows = append(rows, cells)
	}
	return rows
}

// TestArchitecture: no import runs up, and docs/architecture.md shows the imports that there are.
func TestArchitecture(t *testing.T) {
	found, floors := imports(t), map[string]int{}
	for floor, row := range section(t, "The floors") {
		for _, pkg := range row[1] {
			floors[pkg] = floor
		}
	}
	for pkg, targets := range found {
		if isForTests(pkg) {
			continue
		}
		owner, _, isPart := strings.Cut(pkg, "/internal/")
		if _, isEngine := floors[owner]; isPart && isEngine {
			floors[pkg] = floors[owner] // a part of an engine stands where the engine does
		} else if _, ok := floors[pkg]; !ok {
			t.Errorf("%s is on no floor of docs/architecture.md", pkg)
		}
		for _, target := range targets {
			owner, _, isPart := strings.Cut(target, "/internal/")
			switch {
			case isForTests(target):
				t.Errorf("%s imports %s, which is for tests", pkg, target)
			case isPart && (pkg == owner || strings.HasPrefix(pkg, owner+"/internal/")):
			case floors[target] >= floors[pkg]:
				t.Errorf("%s, on floor %d, imports %s, on floor %d", pkg, floors[pkg], target, floors[target])
			}
		}
	}
	for pkg := range floors {
		if _, ok := found[pkg]; !ok {
			t.Errorf("docs/architecture.md has a floor for %s, which does not exist", pkg)
		}
	}
}

// TestArrows: the table of arrows is the import graph.
func TestArrows(t *testing.T) {
	found := imports(t)
	drawn := map[string][]string{}
	for _, row := range section(t, "The arrows") {
		drawn[row[0][0]] = row[1]
	}
	for pkg, targets := range found {
		if isForTests(pkg) || strings.Contains(pkg, "internal/") || strings.HasPrefix(pkg, "cmd/") {
			continue
		}
		want := slices.DeleteFunc(
			slices.Clone(targets),
			func(target string) bool { return strings.Contains(target, "internal/") },
		)
		if got, ok := drawn[pkg]; !ok || !slices.Equal(got, want) {
			t.Errorf("docs/architecture.md: want the row | `%s` | `%s` |, it has %v", pkg, strings.Join(want, "` `"), got)
		}
		delete(drawn, pkg)
	}
	for pkg := range drawn {
		t.Errorf("docs/architecture.md draws arrows of %s, which does not exist", pkg)
	}
}
