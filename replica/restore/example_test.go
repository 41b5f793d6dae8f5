package restore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/replica/restore"
)

// Put the database in place as it was at a moment. Any client will do: s3.ReplicaClient, a
// client of your own.
func ExampleFile() {
	ctx := context.Background()
	client := file.NewReplicaClient("../../testdata/v0.5/replica")
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.db")

	moment := time.Date(2026, 11, 21, 4, 6, 13, 300e6, time.UTC)
	plan, err := restore.File(ctx, client, restore.Target{Timestamp: moment}, path, restore.FileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	db, err := os.Stat(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("transaction", uint64(plan.State.TXID), "of", plan.State.Time.Format(time.TimeOnly))
	fmt.Println(len(plan.Objects), "objects read,", db.Size(), "bytes restored")
	// Output:
	// transaction 50 of 04:06:12
	// 2 objects read, 45056 bytes restored
}

// Look before restoring. A state that is not there is an error that names its neighbours.
func ExampleNewPlan() {
	ctx := context.Background()
	client := file.NewReplicaClient("../../testdata/v0.5/replica")
	plan, err := restore.NewPlan(ctx, client, restore.Target{TXID: 77})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Format, len(plan.Objects), "objects,", plan.Bytes, "bytes to read")

	_, err = restore.NewPlan(ctx, client, restore.Target{TXID: 100})
	var planErr *restore.PlanError
	if errors.As(err, &planErr) {
		fmt.Println(errors.Is(err, restore.ErrNoSuchState), "the last before it is", uint64(planErr.Before.TXID))
	}
	// Output:
	// ltx 10 objects, 54701 bytes to read
	// true the last before it is 77
}
