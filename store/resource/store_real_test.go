//go:build realservers

package resource_test

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/s3"
)

func TestOlderCopyOnRealServers(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		testOlderCopy(t, func(t *testing.T) func() cas.Store {
			bucket := s.NewBucket(t)
			return func() cas.Store {
				return openS3(t, s3.Config{Bucket: bucket, Path: "some/prefix", Endpoint: s.Endpoint})
			}
		})
	})
}
