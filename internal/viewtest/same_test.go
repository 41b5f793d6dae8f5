package viewtest

import (
	"bytes"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// TestSame: pages that are said to be the same are, and most are said to be, whether a snapshot was
// taken between two states or not. Another replica has nothing in common.
func TestSame(t *testing.T) {
	const pageSize = 1024
	d := makeDataset(t, shape{pageSize: pageSize, rows: 600, rounds: 5, perRound: 30})
	store := blob.NewMemory()
	d.fill(t, store)
	key, content := compacted(t, d, pageSize, ltx.SnapshotLevel, 1, 4)
	put(t, store, key, content)
	other := makeDataset(t, shape{pageSize: pageSize, rows: 600, rounds: 1, perRound: 30})
	elsewhere := blob.NewMemory()
	other.fill(t, elsewhere)
	var views []*view.View
	for i := range d.states {
		views = append(views, openView(t, clientOf(store), restore.Target{TXID: ltx.TXID(i + 1)}, view.Options{}))
	}
	for i, a := range views {
		for k, b := range views {
			same, err := view.Same(t.Context(), a, b)
			if err != nil || same == nil {
				t.Fatalf("states %d and %d: nothing is known (%v)", i+1, k+1, err)
			}
			known, pages := 0, max(len(d.states[i]), len(d.states[k]))/pageSize
			for pgno := 1; pgno <= pages+1; pgno++ {
				if !same(uint32(pgno)) {
					continue
				}
				known++
				at, end := (pgno-1)*pageSize, pgno*pageSize
				if !bytes.Equal(d.states[i][at:end], d.states[k][at:end]) {
					t.Errorf("states %d and %d: page %d is another one", i+1, k+1, pgno)
				}
			}
			if i == k && known != pages || known == 0 {
				t.Errorf("states %d and %d: %d of %d pages are known to be the same", i+1, k+1, known, pages)
			}
		}
	}
	stranger := openView(t, clientOf(elsewhere), restore.Target{TXID: 1}, view.Options{})
	same, err := view.Same(t.Context(), views[0], stranger)
	if err != nil || same != nil && same(2) {
		t.Errorf("of another replica: pages are the same (%v)", err)
	}
}

// TestFetch: pages that were fetched are read without another request.
func TestFetch(t *testing.T) {
	const pageSize = 1024
	d := makeDataset(t, shape{pageSize: pageSize, rows: 3000, rounds: 3, perRound: 30})
	store := blob.NewMemory()
	d.fill(t, store)
	v := openView(t, clientOf(store), restore.Target{}, view.Options{})
	var pgnos []uint32
	for pgno := 3; pgno <= d.pages; pgno += 11 {
		pgnos = append(pgnos, uint32(pgno))
	}
	if err := v.Fetch(t.Context(), pgnos); err != nil {
		t.Fatal(err)
	}
	before := v.Stats().Requests
	for _, pgno := range pgnos {
		page := make([]byte, pageSize)
		at := int64(pgno-1) * pageSize
		if _, err := v.ReadAt(page, at); err != nil || !bytes.Equal(page, d.db[at:at+pageSize]) {
			t.Errorf("page %d is another one (%v)", pgno, err)
		}
	}
	if after := v.Stats().Requests; after != before {
		t.Errorf("%d requests for pages that were fetched", after-before)
	}
}
