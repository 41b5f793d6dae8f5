package check_test

import (
	"context"
	"fmt"
	"time"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

// Find out what is wrong with a replica, and what can be restored nevertheless. An LTX file
// was deleted from this one.
func ExampleRun() {
	ctx := context.Background()
	client := file.NewReplicaClient("../../testdata/damaged/ltx-gap/replica")
	report, err := check.Run(ctx, client, check.Options{Deep: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ok:", report.OK())
	for _, p := range report.Problems {
		if p.Severity == replica.SeverityError {
			fmt.Println(p.Object, p.Message)
		}
	}
	for _, w := range report.Restorable {
		fmt.Println(w.Format, w.From.Time.Format(time.TimeOnly), "to", w.To.Time.Format(time.TimeOnly))
	}
	// Output:
	// ok: false
	// ltx/ the latest transaction, 000000000000004d, cannot be restored: transaction 000000000000004c is in no file
	// ltx 04:06:15 to 04:06:15
	// ltx 04:06:20 to 04:06:30
}
