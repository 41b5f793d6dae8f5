package diff_test

import (
	"context"
	"fmt"
	"os"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// See what two transactions have changed, and print the SQL that undoes it in one table.
func ExampleCompare() {
	ctx := context.Background()
	client := file.NewReplicaClient("../../testdata/v0.5/replica")
	from, err := view.Open(ctx, client, restore.Target{TXID: 0x4b}, view.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer from.Close()
	to, err := view.Open(ctx, client, restore.Target{TXID: 0x4d}, view.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer to.Close()
	d, err := diff.Compare(ctx, from, to, diff.Options{Tables: []string{"tag"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	for _, t := range d.Tables {
		n, err := d.Count(ctx, t)
		fmt.Println(t.Name, n, err)
	}
	if err := d.Script(ctx, os.Stdout, true); err != nil {
		fmt.Println(err)
	}
	// Output:
	// tag {4 0 0} <nil>
	// PRAGMA foreign_keys=OFF;
	// BEGIN;
	// PRAGMA defer_foreign_keys=ON;
	// DELETE FROM "tag" WHERE rowid=300;
	// DELETE FROM "tag" WHERE rowid=301;
	// DELETE FROM "tag" WHERE rowid=302;
	// DELETE FROM "tag" WHERE rowid=303;
	// COMMIT;
}
