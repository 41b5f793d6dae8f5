//go:build realtools

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

// heldOpen is how long views are held open while Litestream works below them. The
// environment variable REPLICATE_VIEW_HELD sets another time.
func heldOpen(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("REPLICATE_VIEW_HELD")
	if text == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(text)
	must(t, err)
	return d
}

// configForgetful makes Litestream compact, and delete what it has compacted, within
// seconds.
func configForgetful(db, replica string) string {
	return fmt.Sprintf(`
levels:
  - interval: 1s
  - interval: 2s
snapshot: {interval: 3s, retention: 4s}
l0-retention: 1s
l0-retention-check-interval: 500ms
dbs:
  - path: %s
    monitor-interval: 50ms
    checkpoint-interval: 2s
    min-checkpoint-page-count: 50
    replica: {type: file, path: %s, sync-interval: 50ms}
`, db, replica)
}

// held is a view that is held open, and what it answered first.
type held struct {
	view    *view.View
	first   string
	answers int
	gone    error
}

// TestViewHeldOpen: while Litestream compacts and deletes the files below a view, the view
// answers as it did, or says that its state is gone.
func TestViewHeldOpen(t *testing.T) {
	source, dir := openDatabase(t), filepath.Join(t.TempDir(), "replica")
	for range 200 {
		source.insert()
	}
	d := replicate(t, litestream05(t), configForgetful(source.path, dir))
	writeUntil(t, source, "compacted file", func() bool {
		return countFiles(t, dir+"/ltx/1/*.ltx") > 0 && countFiles(t, dir+"/ltx/9/*.ltx") > 0
	})
	var all []*held
	for until := time.Now().Add(heldOpen(t)); time.Now().Before(until); {
		if len(all) == 0 || all[len(all)-1].gone != nil || all[len(all)-1].answers >= 20 {
			all = append(all, hold(t, dir))
		}
		for _, h := range all {
			h.ask(t)
		}
		source.insert()
	}
	d.stop()
	answers, gone, moved := 0, 0, 0
	for _, h := range all {
		answers += h.answers
		if h.gone != nil {
			gone++
			t.Logf("a view of transaction %v answered %d times, and then: %v", h.view.State().TXID, h.answers, h.gone)
		}
		if filesGone(t, dir, h) {
			moved++
		}
	}
	t.Logf("%d views gave %d answers; %d are gone; below %d of them files were deleted", len(all), answers, gone, moved)
	if answers < 20 || moved == 0 {
		t.Errorf("%d answers, and %d views below which files were deleted: too few to tell", answers, moved)
	}
}

func hold(t *testing.T, dir string) *held {
	t.Helper()
	opts := view.Options{PageCache: 1, ReadAhead: 1} // every answer reads the replica
	v, err := view.Open(t.Context(), file.NewReplicaClient(dir), restore.Target{}, opts)
	must(t, err)
	t.Cleanup(func() { must(t, v.Close()) })
	h := &held{view: v}
	h.ask(t)
	return h
}

// ask asks about every row, through a handle of its own: SQLite keeps pages. After the
// first answer, the view may be gone, and stays so.
func (h *held) ask(t *testing.T) {
	t.Helper()
	const all = "SELECT count(*) || ' ' || sum(id) || ' ' || group_concat(hex(substr(body, 1, 40))) FROM note"
	db, err := sqlite.OpenView(h.view)
	must(t, err)
	defer db.Close()
	var answer string
	err = db.QueryRowContext(context.Background(), all).Scan(&answer)
	switch {
	case err != nil && !errors.Is(err, view.ErrGone):
		t.Fatalf("after %d answers: %v", h.answers, err)
	case err == nil && h.gone != nil:
		t.Errorf("the state was gone (%v), and is there again", h.gone)
	case err != nil:
		h.gone = err
		return
	}
	if h.answers++; h.answers == 1 {
		h.first = answer
	} else if answer != h.first {
		t.Fatalf("answer %d is another one: %.60s, was %.60s", h.answers, answer, h.first)
	}
}

// filesGone reports whether a file that the view was opened with is not there any more.
func filesGone(t *testing.T, dir string, h *held) bool {
	t.Helper()
	for _, f := range h.view.Plan().Files {
		if countFiles(t, fmt.Sprintf("%s/ltx/%d/%s-%s.ltx", dir, f.Level, f.MinTXID, f.MaxTXID)) == 0 {
			return true
		}
	}
	return false
}

// pagePairs is how many random pages are read of each view.
const pagePairs = 100

// viewed compares the view of a moment with what is restored of it: random pages, then the whole
// file, and its integrity.
func (l *lived) viewed(m moment, restored []byte) {
	l.t.Helper()
	ctx := l.t.Context()
	client, err := engines.Replica(ctx, l.url)
	must(l.t, err)
	v, err := view.Open(ctx, client, restore.Target{Timestamp: m.at}, view.Options{PageCache: 1, ReadAhead: 1})
	must(l.t, err)
	defer v.Close()
	rnd, size := rand.New(rand.NewPCG(7, uint64(len(restored)))), int64(v.PageSize())
	for range pagePairs {
		off := rnd.Int64N(int64(len(restored))/size) * size
		page := make([]byte, size)
		if _, err := v.ReadAt(page, off); err != nil || !bytes.Equal(page, restored[off:off+size]) {
			l.t.Fatalf("view of %s: the page at %d differs from the restored one (%v)", stamp(m), off, err)
		}
	}
	all, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size()))
	if err != nil || !bytes.Equal(all, restored) {
		l.t.Errorf("view of %s: the file differs from the restored one (%v)", stamp(m), err)
	}
	db, err := sqlite.OpenView(v)
	must(l.t, err)
	defer db.Close()
	var check string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
		l.t.Errorf("view of %s: integrity check: %q, %v", stamp(m), check, err)
	}
	copied := filepath.Join(l.t.TempDir(), "copied.db")
	sqlite3 := exec.CommandContext(ctx, "sqlite3", copied)
	sqlite3.Stdin = bytes.NewReader(run(l.t, string(l.r), "dump", "--timestamp", stamp(m), l.url))
	if said, err := sqlite3.CombinedOutput(); err != nil || contents(l.t, copied) != m.dump {
		l.t.Errorf("view of %s: the dump makes another database (%v): %s", stamp(m), err, said)
	}
}
