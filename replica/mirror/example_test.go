package mirror_test

import (
	"context"
	"fmt"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/mirror"
)

// Copy a replica to another store, and later what is new.
func ExampleCopy() {
	ctx := context.Background()
	src := file.NewReplicaClient("../../testdata/v0.5/replica")
	dst := replica.NewClient("memory", ltx.LayoutS3, func(context.Context) (blob.Store, error) {
		return memory, nil // the place of a bucket
	})
	for range 2 {
		report, err := mirror.Copy(ctx, src, dst, mirror.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(report.Copied, "copied,", report.Present, "there before,", len(report.Problems), "problems")
	}
	// Output:
	// 70 copied, 0 there before, 0 problems
	// 0 copied, 70 there before, 0 problems
}

var memory = blob.NewMemory()
