//go:build faults

package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate/internal/testreplica"
)

// SmallReplica is a part of a replica of both formats that is whole in itself: fewer objects
// of one kind.
func SmallReplica(t *testing.T) string {
	t.Helper()
	dir := testreplica.Copy(t, "damaged/both-formats")
	for _, pattern := range []string{
		"ltx/0/*3[b-f].ltx", "ltx/0/*40.ltx", "ltx/[01]/*4[89a-d].ltx", "ltx/0/*47-*.ltx", "generations/*/wal/0000000[3-9]*",
		"generations/*/times.json", // it names the others
	} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		for _, name := range found {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}
