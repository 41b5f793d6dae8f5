package migrate_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/restore"
)

// Make an LTX replica of the last state of one generation of a Litestream v0.3.x backup.
// Options{} takes the latest state of all; Options{History: true} takes every state.
func ExampleRun() {
	ctx := context.Background()
	src := file.NewReplicaClient("../../testdata/v0.3/replica")
	store := blob.NewMemory() // the place of a bucket
	dst := replica.NewClient("memory", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return store, nil })

	target := restore.Target{Generation: "cc3d8cd75808a4ef"}
	report, err := migrate.Run(ctx, src, dst, migrate.Options{Target: target})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.States, "state in", report.Files, "files, up to transaction", uint64(report.TXID))

	var db bytes.Buffer
	if _, err := restore.To(ctx, dst, restore.Target{}, &db, restore.Options{}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.15s %d bytes\n", db.Bytes(), db.Len())
	// Output:
	// 1 state in 10 files, up to transaction 2
	// SQLite format 3 38912 bytes
}
