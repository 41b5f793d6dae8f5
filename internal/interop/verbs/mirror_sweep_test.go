package verbs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica/mirror"
)

// TestCopySweeps: what an interrupted copy has left goes with the next one, also where there is
// nothing left to copy.
func TestCopySweeps(t *testing.T) {
	src := file.NewReplicaClient(testreplica.Copy(t, "damaged/both-formats"))
	dir := t.TempDir()
	dst := file.NewReplicaClient(dir)
	if _, err := mirror.Copy(t.Context(), src, dst, mirror.Options{}); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "ltx", "0", ".replicate-ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := mirror.Copy(t.Context(), src, file.NewReplicaClient(dir), mirror.Options{})
	if err != nil || report.Copied != 0 {
		t.Errorf("the second copy: %+v, %v", report, err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the temporary is there still: %v", err)
	}
}
