package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestTiny measures everything on what is at hand, for a moment each, and looks at the shape of
// the tables: the program cannot rot.
func TestTiny(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	err := run(t.Context(), []string{
		"-clients", "1,2", "-slice", "1ms",
		"file=" + filepath.Join(dir, "records"), "SQLite=sqlite://" + filepath.ToSlash(filepath.Join(dir, "state.db")),
	}, &out)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	for _, op := range operations {
		_, table, ok := strings.Cut(out.String(), "\n### "+op.name+"\n")
		table, _, _ = strings.Cut(table, "\n### ")
		if !ok || !strings.Contains(table, "| 1 | 2 | requests |") {
			t.Errorf("no table of %q", op.name)
		}
		for _, engine := range []string{"\n| file | ", "\n| SQLite | "} {
			if !strings.Contains(table, engine) {
				t.Errorf("%s: no line %q", op.name, engine)
			}
		}
	}
}
