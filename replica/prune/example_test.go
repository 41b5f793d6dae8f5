package prune_test

import (
	"context"
	"fmt"
	"time"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/replica/prune"
)

// Find out what a window of time does not need. [prune.Run] deletes it; give that one a
// replica.FencedClient.
func ExampleNewPlan() {
	ctx := context.Background()
	client := file.NewReplicaClient("../../testdata/v0.5/replica")
	since := time.Date(2026, 11, 21, 4, 6, 20, 0, time.UTC)
	plan, err := prune.NewPlan(ctx, client, prune.Options{Since: since})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(plan.Objects), "to delete,", plan.Kept, "stay")
	for _, w := range plan.Restorable {
		fmt.Println("left:", w.From.Time.Format(time.TimeOnly), "to", w.To.Time.Format(time.TimeOnly))
	}
	// Output:
	// 34 to delete, 36 stay
	// left: 04:06:15 to 04:06:30
}
