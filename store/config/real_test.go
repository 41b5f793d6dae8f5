//go:build realservers

package config_test

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/s3"
)

func TestLostLockOnRealServers(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		testLostLock(t, func(t *testing.T) func() cas.Store {
			name := s.NewBucket(t)
			return func() cas.Store { return bucket(t, s3.Config{Bucket: name, Endpoint: s.Endpoint}) }
		})
	})
}
