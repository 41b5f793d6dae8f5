//go:build unix

package replicate_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
)

// TestMigrateScratch: at no time is there a name that one who is killed would leave.
// On Windows an open file keeps its name.
func TestMigrateScratch(t *testing.T) {
	dir, looked := t.TempDir(), false
	to := file.NewReplicaClient(filepath.Join(t.TempDir(), "dst"))
	_, err := replicate.Migrate(t.Context(), file.NewReplicaClient(testreplica.Copy(t, "v0.3")), to, replicate.MigrateOptions{
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
