package check_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

// TestCheckGrowth: a file by which the database grows to a size that it does not have
// the pages of. How large that is must not matter.
func TestCheckGrowth(t *testing.T) {
	for size, damaged := range map[uint32]bool{2: false, 3: false, 4: true, 1<<32 - 16: true} {
		c := fakereplica.Client()
		if _, err := replica.WriteSnapshot(t.Context(), c, fakereplica.Pages(2, 1),
			replica.SnapshotOptions{Time: fakereplica.Time(1)}); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		opts := ltx.SnapshotOptions{MinTXID: 2, TXID: 2, Time: fakereplica.Time(2), PageSize: 512, Commit: size}
		if _, err := ltx.WriteDelta(&b, opts, []uint32{min(size, 3)}, fakereplica.Pages(3, 2).ReadPage); err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteLTXFile(t.Context(), 0, 2, 2, &b); err != nil {
			t.Fatal(err)
		}
		report, err := check.Run(t.Context(), c, check.Options{Deep: true})
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(
			report.Problems,
			func(p replica.Problem) bool { return strings.Contains(p.Message, "does not have page 4") },
		)
		if found != damaged || report.OK() == damaged {
			t.Errorf("%d pages: got %+v", size, report.Problems)
		}
	}
}
