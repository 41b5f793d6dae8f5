//go:build realtools

package interop

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/restore"
)

// still is a database at a time at which nobody wrote to it.
type still struct {
	at   time.Time
	dump string
}

// beStill lets time pass before and after, as the clocks of file systems and of
// Litestream's timer have steps.
func beStill(t *testing.T, db *database) still {
	t.Helper()
	time.Sleep(300 * time.Millisecond)
	m := still{time.Now().UTC(), dump(t, db.path)}
	time.Sleep(100 * time.Millisecond)
	return m
}

// backUpV3 lets Litestream v0.3 write two generations, and notes stills in between.
func backUpV3(t *testing.T, binary string, db *database, replica string) (stills []still) {
	t.Helper()
	config := fmt.Sprintf(`
dbs:
  - path: %s
    monitor-interval: 50ms
    checkpoint-interval: 1h
    min-checkpoint-page-count: 20
    replicas:
      - {type: file, path: %s, sync-interval: 50ms, snapshot-interval: 1s, retention: 24h}
`, db.path, replica)
	for generation := 1; generation <= 2; generation++ {
		db.insert()
		d := replicate(t, binary, config)
		for logs := 1; logs <= 3; logs++ {
			writeUntil(t, db, "WAL file", func() bool {
				dirs, err := filepath.Glob(replica + "/generations/*")
				must(t, err)
				return len(dirs) == generation && slices.IndexFunc(dirs, func(dir string) bool {
					return countFiles(t, fmt.Sprintf("%s/wal/%08x_*.lz4", dir, logs)) == 0
				}) < 0
			})
			stills = append(stills, beStill(t, db))
			db.insert()
		}
		time.Sleep(300 * time.Millisecond)
		d.stop()
		if generation == 1 {
			// Emptied behind Litestream's back, the WAL begins a new generation.
			db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
		}
	}
	return stills
}

const migratedConfig = `
levels:
  - {interval: 1s}
  - {interval: 2s}
snapshot: {interval: %s, retention: %s}
l0-retention: 1s
l0-retention-check-interval: 1s
dbs:
  - path: %s
    monitor-interval: 50ms
    replicas:
      - {type: file, path: %s, sync-interval: 50ms}
`

// TestMigrate: from Litestream v0.3 to v0.5 with the application's own database.
func TestMigrate(t *testing.T) {
	t.Run("latest", func(t *testing.T) { testMigrate(t, false, "v0.5") })
	t.Run("history", func(t *testing.T) { testMigrate(t, true, "v0.5") })
	t.Run("in place", func(t *testing.T) { testMigrate(t, true, "v0.3") })
}

func testMigrate(t *testing.T, history bool, to05 string) {
	binary03, binary05 := litestream03(t), litestream05(t)
	db := openDatabase(t)
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "v0.3"), filepath.Join(dir, to05)
	stills := backUpV3(t, binary03, db, src)
	before := dump(t, db.path)

	to := file.NewReplicaClient(dst)
	to.CreateOnly = true
	m, err := migrate.Run(t.Context(), file.NewReplicaClient(src), to, migrate.Options{History: history})
	must(t, err)
	t.Logf("%+v", m)
	if got := dump(t, restored(t, binary05, "file://"+dst)); got != before {
		t.Error("litestream restores another database from what was migrated")
	}
	restoreStills(t, binary03, binary05, src, dst, stills, history)

	// A transaction that no v0.3 has seen, and then v0.5 takes over.
	db.insert()
	d := replicate(t, binary05, fmt.Sprintf(migratedConfig, "1s", "24h", db.path, dst))
	writeUntil(t, db, "compaction", func() bool {
		return countFiles(t, dst+"/ltx/2/*.ltx") > 3 && countFiles(t, dst+"/ltx/9/*.ltx") > 3
	})
	after := beStill(t, db)
	db.insert()
	time.Sleep(300 * time.Millisecond)
	d.stop()
	if got := dump(t, restored(t, binary05, "file://"+dst)); got != dump(t, db.path) {
		t.Error("litestream restores another database than it has replicated")
	}
	restoreStills(t, binary03, binary05, src, dst, append(stills, after), history)
	checkRetention(t, binary05, db, dst, append(stills, after))
	again, err := migrate.Run(t.Context(), file.NewReplicaClient(src), to, migrate.Options{History: history})
	must(t, err)
	if !again.Complete {
		t.Errorf("once more: %+v", again)
	}
}

// checkRetention: what Litestream deletes is gone, and the rest is right.
func checkRetention(t *testing.T, binary05 string, db *database, dst string, stills []still) {
	t.Helper()
	first := dst + "/ltx/9/" + ltx.FormatName(1, 1)
	last, err := filepath.Glob(dst + "/ltx/1/*.ltx")
	must(t, err)
	d := replicate(t, binary05, fmt.Sprintf(migratedConfig, "1s", "1s", db.path, dst))
	writeUntil(t, db, "retention", func() bool {
		return countFiles(t, first) == 0 && countFiles(t, last[0]) == 0
	})
	isReplicated := func() bool { return dump(t, restored(t, binary05, "file://"+dst)) == dump(t, db.path) }
	// It may have deleted files before it has looked at the database.
	for deadline := time.Now().Add(time.Minute); !isReplicated() && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	d.stop()
	if !isReplicated() {
		t.Error("after retention, litestream restores another database than it has replicated")
	}
	for i, s := range stills {
		out := filepath.Join(t.TempDir(), "restored.db")
		cmd := exec.CommandContext(
			t.Context(),
			binary05,
			"restore",
			"-o",
			out,
			"-timestamp",
			s.at.Format(time.RFC3339Nano),
			"file://"+dst,
		)
		if cmd.Run() == nil && dump(t, out) != s.dump {
			t.Errorf("after retention, moment %d: v0.5 restores another database", i)
		}
	}
}

// restoreStills restores what v0.3 could, and what came after it.
func restoreStills(t *testing.T, binary03, binary05, src, dst string, stills []still, history bool) {
	t.Helper()
	for i, m := range stills {
		at := m.at.Format(time.RFC3339Nano)
		if i < 6 {
			if got := dump(t, restored(t, binary03, "-timestamp", at, "file://"+src)); got != m.dump {
				t.Errorf("moment %d: v0.3 restores another database", i)
			}
			if !history {
				continue
			}
		}
		if got := dump(t, restored(t, binary05, "-timestamp", at, "file://"+dst)); got != m.dump {
			t.Errorf("moment %d, %s: v0.5 restores another database", i, at)
		}
		c := file.NewReplicaClient(dst)
		out := filepath.Join(t.TempDir(), "ours.db")
		_, err := restore.File(t.Context(), c, restore.Target{Timestamp: m.at}, out, restore.FileOptions{})
		must(t, err)
		if got := dump(t, out); got != m.dump {
			t.Errorf("moment %d, %s: we restore another database", i, at)
		}
	}
}
