//go:build realservers

package cli

import (
	"testing"

	"github.com/replctl/replicate/internal/s3servers"
)

// TestKVOnRealServers is TestKVOnS3 on the real thing.
func TestKVOnRealServers(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		checkKV(t, []string{"s3://" + s.NewBucket(t) + "/app", "--endpoint", s.Endpoint})
	})
}
