//go:build realservers

package cli

import (
	"testing"

	"github.com/replctl/replicate/internal/pgserver"
	"github.com/replctl/replicate/internal/s3servers"
)

// TestEngineOnPostgreSQL is TestEngine in a schema that does not exist yet.
func TestEngineOnPostgreSQL(t *testing.T) {
	server := pgserver.Start(t)
	scriptOn(t, func(string) string { return server.URL("schema=commands&prefix=replctl_") })
}

// TestEngineOnRealServers is TestEngine in a bucket.
func TestEngineOnRealServers(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		place := "s3://" + s.NewBucket(t) + "/app?endpoint=" + s.Endpoint
		scriptOn(t, func(string) string { return place })
	})
}
