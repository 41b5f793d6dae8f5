package sqlite

import (
	"bytes"
	"testing"
	"time"

	"github.com/replctl/replicate/ltx"
)

// ReadPage is what ltx.WriteSnapshot asks for.
func TestSnapshotOfImage(t *testing.T) {
	_, path := crashed(t, "wal", 12)
	im := openImage(t, path)
	defer im.Close()
	var file bytes.Buffer
	_, err := ltx.WriteSnapshot(&file, ltx.SnapshotOptions{
		TXID: 7, Time: time.UnixMilli(1), PageSize: im.PageSize(), Commit: im.Pages(),
	}, im.ReadPage)
	must(t, err)
	summary, err := ltx.Verify(&file)
	must(t, err)
	wantEqual(t, summary.Pages, int64(im.Pages()))
	wantEqual(t, summary.Header.Commit, im.Pages())
}
