//go:build realtools

package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/testreplica"
)

// TestExpectations: the real tools restore from the replicas in testdata what
// expected.json says that they do.
func TestExpectations(t *testing.T) {
	for name, binary := range map[string]func(*testing.T) string{"v0.5": litestream05, "v0.3": litestream03} {
		t.Run(name, func(t *testing.T) {
			binary := binary(t)
			facts := testreplica.Expected(t, name)
			replica := "file://" + testreplica.Copy(t, name)
			check := func(want testreplica.State, args ...string) {
				t.Helper()
				wantState(t, facts, want, restored(t, binary, append(args, replica)...), args)
			}
			check(facts.State)
			for _, instant := range facts.Instants {
				check(instant.State, "-timestamp", instant.At.Format(time.RFC3339Nano))
			}
			for _, g := range facts.Generations {
				check(g.State, "-generation", g.Generation)
			}
		})
	}
}

func wantState(t *testing.T, facts testreplica.Facts, want testreplica.State, db string, args []string) {
	t.Helper()
	if got := fileSum(t, db); got != want.DBSHA256 { // before SQLite opens it
		t.Errorf("%s: restored a file with checksum %s, want %s", args, got, want.DBSHA256)
	}
	// Another version of the shell may write the same rows as another text.
	version := string(run(t, "sqlite3", "--version"))
	sum := sha256.Sum256([]byte(dump(t, db)))
	if got := hex.EncodeToString(sum[:]); got != want.DumpSHA256 && strings.HasPrefix(version, facts.SQLite+" ") {
		t.Errorf("%s: restored a database with dump %s, want %s", args, got, want.DumpSHA256)
	}
}
