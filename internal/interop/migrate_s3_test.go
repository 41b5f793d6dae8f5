//go:build realtools && realservers

package interop

import (
	"fmt"
	"testing"
	"time"
)

// TestS3Migrate: in its own place in a bucket a v0.3 backup becomes, with its
// history, what Litestream v0.5 restores and goes on from.
func TestS3Migrate(t *testing.T) {
	binary03, binary05, r := litestream03(t), litestream05(t), buildReplctl(t)
	eachServer(t, func(t *testing.T, b bucket) {
		source := b.writeV3(t, binary03)
		before := dump(t, restored(t, binary03, "-config", source.config, source.path))
		objects := len(b.objects(t, "generations/"))

		run(t, string(r), "migrate", "--history", b.url(), b.url())
		if got := dump(t, restored(t, binary05, b.url())); got != before {
			t.Error("v0.5 restores another database from what was migrated")
		}
		if got := dump(t, restored(t, binary03, "-config", source.config, source.path)); got != before {
			t.Error("v0.3 restores another database than before")
		}
		if got := len(b.objects(t, "generations/")); got != objects {
			t.Errorf("%d objects of v0.3, there were %d", got, objects)
		}

		// The database has a transaction that v0.3 has not seen.
		migrated := len(b.objects(t, "0000/"))
		d := replicate(t, binary05, config05(source.path, b.replicaConfig("")))
		writeUntil(t, source.database, "transactions", func() bool { return len(b.objects(t, "0000/")) > migrated+3 })
		source.insert()
		time.Sleep(300 * time.Millisecond)
		d.stop()
		after := dump(t, source.path)
		if got := dump(t, restored(t, binary05, b.url())); got != after {
			t.Error("v0.5 restores another database than it has replicated")
		}
		if got := dump(t, restored(t, string(r), b.url())); got != after {
			t.Error("replctl restores another database than v0.5 has replicated")
		}
		if doc := fmt.Sprint(r.json(t, b.url(), "check", "--deep").(record)["problems"]); doc != "[]" {
			t.Errorf("check --deep: %s", doc)
		}
	})
}
