//go:build realtools && realservers

package interop

import "testing"

// TestS3SnapshotContinued is TestSnapshotContinued in a bucket.
func TestS3SnapshotContinued(t *testing.T) {
	litestream, r, b := litestream05(t), buildReplctl(t), newBucket(t)
	testSnapshotContinued(t, litestream, r, b.url(), func(db string) string { return config05(db, b.replicaConfig("")) })
}
