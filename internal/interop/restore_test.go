//go:build realtools

package interop

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestRestoreLTX: from replicas of Litestream v0.5 replctl restores what the
// database was, and what Litestream restores, byte by byte.
func TestRestoreLTX(t *testing.T) {
	litestream, r := litestream05(t), buildReplctl(t)
	for _, s := range shapes {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "replica")
			testRestoreLTX(t, live(t, litestream, r, s, dir, func(db string) string {
				return config05(db, fmt.Sprintf("{type: file, path: %s, sync-interval: 50ms}", dir))
			}, compacted), litestream)
		})
	}
}

// compacted: there are files of all levels.
func compacted(l *lived) bool {
	files := map[any]int{}
	for _, f := range l.r.json(l.t, l.url, "ltx", "--fast").([]any) {
		files[f.(record)["level"]]++
	}
	return files[1.0] > 1 && files[2.0] > 1 && files[9.0] > 1
}

func testRestoreLTX(t *testing.T, l *lived, litestream string) {
	last := &l.moments[len(l.moments)-1]
	l.same("latest", l.ours(last), l.theirs(last, litestream))
	for i := range l.moments {
		m := &l.moments[i]
		ours := l.ours(m, "--timestamp", stamp(*m))
		l.same(stamp(*m), ours, l.theirs(m, litestream, "-timestamp", stamp(*m)))
		l.viewed(*m, ours)
		txid := l.plan(*m)["state"].(record)["txid"].(string)
		l.same("transaction "+txid, ours, l.ours(nil, "--txid", txid))
		l.same("transaction "+txid, ours, l.theirs(nil, litestream, "-txid", txid))
	}
	t.Logf("%d moments, the last at transaction %s", len(l.moments), l.plan(*last)["state"].(record)["txid"])
}

// configV3 makes Litestream v0.3 checkpoint and snapshot often.
func configV3(db, replica string) string {
	return fmt.Sprintf(`
dbs:
  - path: %s
    monitor-interval: 50ms
    checkpoint-interval: 1h
    min-checkpoint-page-count: 20
    replicas:
      - %s
`, db, replica)
}

// TestRestoreV3: the same of backups of v0.3, which v0.5 restores as well.
func TestRestoreV3(t *testing.T) {
	litestream, newer, r := litestream03(t), litestream05(t), buildReplctl(t)
	for _, s := range shapes {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "replica")
			l := live(t, litestream, r, s, dir, func(db string) string {
				return configV3(
					db,
					fmt.Sprintf("{type: file, path: %s, sync-interval: 50ms, snapshot-interval: 1s, retention: 24h}", dir),
				)
			}, checkpointed)
			testRestoreV3(t, l, litestream)
			last := &l.moments[len(l.moments)-1]
			l.same("latest, v0.5", l.ours(last), l.restored(last, newer, "file://"+dir))
		})
	}
}

// checkpointed: each generation has WAL of several indexes.
func checkpointed(l *lived) bool {
	for _, w := range l.indexes() {
		if w.last-w.first < 3 {
			return false
		}
	}
	return true
}

func testRestoreV3(t *testing.T, l *lived, litestream string) {
	last := &l.moments[len(l.moments)-1]
	l.same("latest", l.ours(last), l.theirs(last, litestream))
	for i := range l.moments {
		m := &l.moments[i]
		at := []string{"-timestamp", stamp(*m)}
		if m.last { // v0.3 has no state for a time after a generation's last object
			at = []string{"-generation", l.plan(*m)["state"].(record)["generation"].(string)}
		}
		ours := l.ours(m, "--timestamp", stamp(*m))
		l.same(stamp(*m), ours, l.theirs(m, litestream, at...))
		l.viewed(*m, ours)
	}
	generations := l.r.json(t, l.url, "generations").([]any)
	if len(generations) != 2 {
		t.Errorf("%d generations, want two", len(generations))
	}
	for _, g := range generations {
		id := g.(record)["generation"].(string)
		l.same("generation "+id, l.ours(nil, "--generation", id), l.theirs(nil, litestream, "-generation", id))
	}
	indexes := 0
	for id, window := range l.indexes() {
		for index := window.first; index <= window.last; index++ {
			hex := fmt.Sprintf("%08x", index)
			l.same(
				"index "+hex+" of "+id,
				l.ours(nil, "--generation", id, "--index", hex),
				l.theirs(nil, litestream, "-generation", id, "-index", hex),
			)
			indexes++
		}
	}
	t.Logf("%d moments, %d WAL indexes", len(l.moments), indexes)
}

// window is what of a generation can be restored, in WAL indexes. The first
// snapshot may be later than the first WAL.
type window struct{ first, last int }

func (l *lived) indexes() map[string]window {
	l.t.Helper()
	indexes := map[string]window{}
	for _, s := range l.r.json(l.t, l.url, "snapshots").([]any) { // in order
		id, index := position(s)
		if _, ok := indexes[id]; !ok {
			indexes[id] = window{index, index}
		}
	}
	for _, s := range l.r.json(l.t, l.url, "wal").([]any) {
		id, index := position(s)
		if w, ok := indexes[id]; ok {
			indexes[id] = window{w.first, max(w.last, index)}
		}
	}
	return indexes
}

func position(v any) (generation string, index int) {
	return v.(record)["generation"].(string), int(v.(record)["index"].(float64))
}
