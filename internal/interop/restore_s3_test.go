//go:build realtools && realservers

package interop

import "testing"

// TestS3RestoreLTX is TestRestoreLTX in a bucket.
func TestS3RestoreLTX(t *testing.T) {
	litestream, r, b := litestream05(t), buildReplctl(t), newBucket(t)
	testRestoreLTX(t, live(t, litestream, r, shape{1024, "full"}, b.url(), func(db string) string {
		return config05(db, b.replicaConfig(""))
	}, compacted), litestream)
}

// TestS3RestoreV3 is TestRestoreV3 in a bucket.
func TestS3RestoreV3(t *testing.T) {
	litestream, r, b := litestream03(t), buildReplctl(t), newBucket(t)
	testRestoreV3(t, live(t, litestream, r, shape{4096, "incremental"}, b.url(), func(db string) string {
		return configV3(db, b.replicaConfig(", snapshot-interval: 1s, retention: 24h"))
	}, checkpointed), litestream)
}
