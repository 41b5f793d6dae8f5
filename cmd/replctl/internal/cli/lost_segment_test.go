package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/v3compat"
)

// withoutLast calls fn with a backup without times.json that lacks the last segment of
// an index, for each index that another follows. No name shows that it is missing.
func withoutLast(t *testing.T, fn func(replica, generation, lost string)) {
	t.Helper()
	dir := testreplica.Dir(t, "v0.3")
	segments, err := filepath.Glob(filepath.Join(dir, "generations", "*", "wal", "*.lz4"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, path := range segments[:len(segments)-1] {
		index := func(path string) string { return strings.Split(filepath.Base(path), "_")[0] }
		next := segments[i+1]
		if filepath.Dir(path) != filepath.Dir(next) || index(path) == index(next) ||
			strings.Contains(filepath.Base(path), "_00000000") {
			continue // no last one, or the only one
		}
		replica := testreplica.Copy(t, "v0.3")
		rel, _ := filepath.Rel(dir, path)
		generation := strings.Split(filepath.ToSlash(rel), "/")[1]
		for _, name := range []string{rel, filepath.Join("generations", generation, v3compat.TimesName)} {
			if err := os.Remove(filepath.Join(replica, name)); err != nil {
				t.Fatal(err)
			}
		}
		n++
		fn(replica, generation, rel)
	}
	if n < 5 {
		t.Fatalf("%d cases", n)
	}
}

// TestRestoreLostSegment: a backup that lacks a segment, which no name shows, gives the
// right database or an error, and so does its migration.
func TestRestoreLostSegment(t *testing.T) {
	want := map[string]string{}
	for _, g := range testreplica.Expected(t, "v0.3").Generations {
		want[g.Generation] = g.DBSHA256
	}
	right, refused := 0, 0
	withoutLast(t, func(replica, generation, lost string) {
		out := filepath.Join(t.TempDir(), "db")
		code, _, stderr := replctl(t, "restore", replica, "-o", out, "--generation", generation)
		got := ""
		if code == exitOK {
			sum := sha256.Sum256(read(t, out))
			got = hex.EncodeToString(sum[:])
		}
		switch {
		case code == exitOK && got == want[generation]:
			right++
		case code == exitDamage:
			refused++
		default:
			t.Errorf("without %s: exit code %d, the right database: %v\n%s", lost, code, got == want[generation], stderr)
		}
		migrated := filepath.Join(t.TempDir(), "new")
		switch code, _, stderr := replctl(t, "migrate", replica, migrated, "--generation", generation); code {
		case exitDamage:
			if levels, _ := filepath.Glob(filepath.Join(migrated, "ltx", "*", "*")); len(levels) > 0 {
				t.Errorf("without %s: the migration is refused, and %q is there", lost, levels)
			}
		case exitOK:
			back := filepath.Join(t.TempDir(), "db")
			if code, _, stderr := replctl(t, "restore", migrated, "-o", back); code != exitOK || got == "" ||
				!bytes.Equal(read(t, back), read(t, out)) {
				t.Errorf("without %s: what was migrated is not what is restored: exit code %d\n%s", lost, code, stderr)
			}
		default:
			t.Errorf("without %s: migrate: exit code %d\n%s", lost, code, stderr)
		}
	})
	t.Logf("%d right, %d refused", right, refused)
}
