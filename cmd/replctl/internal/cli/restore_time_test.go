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
		instant := testreplica.Expected(t, name).Instants[1]
		local := instant.At.Local().Format("2006-01-02 15:04:05.999")
		for _, at := range []string{
			instant.At.UTC().Format(time.RFC3339Nano), instant.At.Local().Format(time.RFC3339Nano), local,
			fmt.Sprintf("-%dms", time.Since(instant.At).Milliseconds()), // nothing was written for a second
		} {
			out := filepath.Join(t.TempDir(), "db")
			code, _, stderr := replctl(t, "restore", dir, "-o", out, "--timestamp", at)
			if code != exitOK {
				t.Fatalf("%s at %s: exit code %d\n%s", name, at, code, stderr)
			}
			if sum := sha256.Sum256(read(t, out)); hex.EncodeToString(sum[:]) != instant.DBSHA256 {
				t.Errorf("%s at %s: another state than that of %v", name, at, instant.At)
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
