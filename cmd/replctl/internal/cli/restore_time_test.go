package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/testreplica"
)

// A moment is the same however it is written, and is said back with its zone.
func TestRestoreTimes(t *testing.T) {
	was := time.Local
	time.Local = time.FixedZone("", 5*3600+1800)
	t.Cleanup(func() { time.Local = was })
	for _, name := range []string{"v0.5", "v0.3"} {
		dir := testreplica.Copy(t, name)
		facts := testreplica.Expected(t, name)
		second := facts.Instants[1]
		moments := map[string]string{ // and the sum of the state
			fmt.Sprintf("-%dm", int(time.Since(second.At).Minutes())/2): facts.DBSHA256, // long after the end
			second.At.UTC().Format(time.RFC3339Nano):                    second.DBSHA256,
			second.At.Local().Format(time.RFC3339Nano):                  second.DBSHA256,
			second.At.Local().Format("2006-01-02 15:04:05.999"):         second.DBSHA256,
		}
		for at, want := range moments {
			out := filepath.Join(t.TempDir(), "db")
			code, _, stderr := replctl(t, "restore", dir, "-o", out, "--timestamp", at)
			if code != exitOK {
				t.Fatalf("%s at %s: exit code %d\n%s", name, at, code, stderr)
			}
			if sum := sha256.Sum256(read(t, out)); hex.EncodeToString(sum[:]) != want {
				t.Errorf("%s at %s: another state", name, at)
			}
			zone := "+05:30 ("
			if strings.HasSuffix(at, "Z") {
				zone = "Z ("
			}
			if !strings.HasPrefix(stderr, "timestamp 2") || !strings.Contains(stderr, zone) {
				t.Errorf("%s at %s: it is not said back: %s", name, at, stderr)
			}
		}
	}
}
