//go:build unix

package verbs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica/migrate"
)

// TestMigrateScratch: at no time is there a name that one who is killed would leave.
// On Windows an open file keeps its name.
func TestMigrateScratch(t *testing.T) {
	dir, looked := t.TempDir(), false
	to := file.NewReplicaClient(filepath.Join(t.TempDir(), "dst"))
	_, err := migrate.Run(t.Context(), file.NewReplicaClient(testreplica.Copy(t, "v0.3")), to, migrate.Options{
		History: true, TempDir: dir,
		Progress: func(step string, done, _ int64) {
			looked = looked || step == "writing" && done > 0
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("%s: %v, %v", step, left, err)
			}
		},
	})
	if err != nil || !looked {
		t.Fatalf("got %v, looked while it wrote: %v", err, looked)
	}
}
