//go:build realservers

package cli

import (
	"testing"

	"github.com/replctl/replicate/internal/s3servers"
)

// TestSameOnRealServers is TestSameOnS3 on the real thing.
func TestSameOnRealServers(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		checkSameOnS3(t, s.NewBucket(t), s.Endpoint)
	})
}
