//go:build realservers

package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/internal/testreplica"
)

// TestCpAroundRealServers is TestCpAround on the real thing, through all servers.
func TestCpAroundRealServers(t *testing.T) {
	var places []string
	for _, s := range s3servers.All(t) {
		places = append(places, placeIn(s.NewBucket(t), s.Endpoint))
	}
	checkCpAround(t, places...)
}

// TestCpKilledOnRealServers: after each kill there is more than before, until the
// copy is done.
func TestCpKilledOnRealServers(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		dir, url := testreplica.Copy(t, "v0.3"), strings.Replace(placeIn(s.NewBucket(t), s.Endpoint), "%", "killed", 1)
		for i := range 5 {
			killCopy(t, after(20*(i+1)), dir, url)
		}
		cp(t, dir, url)
		back := filepath.Join(t.TempDir(), "back")
		cp(t, url, back)
		if diff := cmp.Diff(files(t, dir), files(t, back)); diff != "" {
			t.Errorf("there (-) and back (+):\n%s", diff)
		}
	})
}

// after is true after so many milliseconds, whatever the copy has come to.
func after(milliseconds int) func() bool {
	n := 0
	return func() bool { n++; return n > milliseconds }
}
