package viewtest

import (
	"testing"

	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// TestManyDeltas: a scan of a table of which each of many files has some pages everywhere.
// There is not enough memory to hold what comes later in all of them. Hardly a page is read
// twice.
func TestManyDeltas(t *testing.T) {
	d := makeDataset(t, shape{pageSize: 4096, rows: 40_000, rounds: 30, perRound: 40})
	srv, client := bucket(t, d)
	for _, readAhead := range []int64{2 << 20, 4 << 20, 16 << 20} {
		v := openView(t, client, restore.Target{}, view.Options{ReadAhead: readAhead})
		db := handle(t, v)
		start := len(srv.Requests())
		var sum int
		if err := db.QueryRow("SELECT sum(length(note)) FROM users").Scan(&sum); err != nil {
			t.Fatal(err)
		}
		scan := costSince(t, srv, start)
		pages, frames := tablePages(t, d, "users")
		t.Logf("read-ahead of %d: %d pages in frames of %d bytes: %+v", readAhead, pages, frames, scan)
		// Each file may take two or three requests at the end, and the beginning takes some.
		if most := 200; scan.gets > most || float64(scan.bytes) > 1.3*float64(frames) {
			t.Errorf("read-ahead of %d: a scan took %+v, want at most %d GETs and 1.3 times %d bytes",
				readAhead, scan, most, frames)
		}
	}
}
