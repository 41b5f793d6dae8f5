package verbs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/restore"
)

// migrateTo migrates to a directory, as often as it is asked to.
func migrateTo(t *testing.T, src, dst string, opts migrate.Options) (*migrate.Report, error) {
	t.Helper()
	to := file.NewReplicaClient(dst)
	to.CreateOnly = true
	opts.TempDir = t.TempDir()
	m, err := migrate.Run(t.Context(), file.NewReplicaClient(src), to, opts)
	if left, _ := os.ReadDir(opts.TempDir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	return m, err
}

func mustMigrate(t *testing.T, src, dst string, opts migrate.Options) *migrate.Report {
	t.Helper()
	m, err := migrateTo(t, src, dst, opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// restoredSum is the checksum of what is restored from a directory.
func restoredSum(t *testing.T, dir string, target restore.Target) string {
	t.Helper()
	c := file.NewReplicaClient(dir)
	var b bytes.Buffer
	if _, err := restore.To(t.Context(), c, target, &b, restore.Options{}); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:])
}

// contents are the sums of all files below a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		fi, infoErr := d.Info()
		sums[path] = fmt.Sprintf("%x %v", sha256.Sum256(data), fi.ModTime())
		return errors.Join(err, infoErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// The latest state, and nothing else.
func TestMigrate(t *testing.T) {
	src, dst := testreplica.Copy(t, "v0.3"), filepath.Join(t.TempDir(), "dst")
	before := contents(t, src)
	m := mustMigrate(t, src, dst, migrate.Options{})
	if m.Complete || m.States != 1 || m.TXID != 2 || m.Files != 10 || m.Kept != 0 {
		t.Errorf("got %+v", m)
	}
	facts := testreplica.Expected(t, "v0.3")
	if got := restoredSum(t, dst, restore.Target{}); got != facts.DBSHA256 {
		t.Error("the latest state is not that of the backup")
	}
	plan, err := restore.NewPlan(t.Context(), file.NewReplicaClient(dst), restore.Target{})
	if err != nil || !plan.State.Time.Equal(m.To.Time.Truncate(1e6)) || len(plan.Objects) != 1 {
		t.Errorf("plan %+v, %v: want one file of %v", plan, err, m.To.Time)
	}
	migrated := contents(t, dst)
	again := mustMigrate(t, src, dst, migrate.Options{})
	want := &migrate.Report{Complete: true, States: 1, From: m.From, To: m.To, TXID: 2}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("once more (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(migrated, contents(t, dst)); diff != "" {
		t.Errorf("the second run has changed something:\n%s", diff)
	}
	if diff := cmp.Diff(before, contents(t, src)); diff != "" {
		t.Errorf("the source was touched:\n%s", diff)
	}
}

// At an earlier time, for who wants that.
func TestMigrateTimestamp(t *testing.T) {
	src := testreplica.Copy(t, "v0.3")
	for i, instant := range testreplica.Expected(t, "v0.3").Instants {
		dst := filepath.Join(t.TempDir(), fmt.Sprint(i))
		mustMigrate(t, src, dst, migrate.Options{Target: restore.Target{Timestamp: instant.At}})
		if got := restoredSum(t, dst, restore.Target{}); got != instant.DBSHA256 {
			t.Errorf("%v: another state", instant.At)
		}
	}
}

// Every instant that Litestream v0.3.13 restores, byte for byte.
func TestMigrateHistory(t *testing.T) {
	src, dst := testreplica.Copy(t, "v0.3"), filepath.Join(t.TempDir(), "dst")
	m := mustMigrate(t, src, dst, migrate.Options{History: true})
	t.Logf("%+v", m)
	facts := testreplica.Expected(t, "v0.3")
	if got := restoredSum(t, dst, restore.Target{}); got != facts.DBSHA256 {
		t.Error("the latest state is not that of the backup")
	}
	for _, instant := range facts.Instants {
		if got := restoredSum(t, dst, restore.Target{Timestamp: instant.At}); got != instant.DBSHA256 {
			t.Errorf("%v: another state", instant.At)
		}
	}
	checkStates(t, src, dst)
	if again := mustMigrate(t, src, dst, migrate.Options{History: true}); !again.Complete || again.States != m.States ||
		again.TXID != m.TXID {
		t.Errorf("once more: got %+v, want a complete one like %+v", again, m)
	}
	if _, err := migrateTo(t, src, dst, migrate.Options{}); !errors.Is(err, migrate.ErrOtherContent) {
		t.Errorf("the latest state over the history: got %v", err)
	}
}

// checkStates: a millisecond after an object, to which LTX rounds, both give
// the same database.
func checkStates(t *testing.T, src, dst string) {
	t.Helper()
	c := file.NewReplicaClient(src)
	generations, err := c.GenerationsV3(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	states := 0
	for _, g := range generations {
		segments, err := c.WALSegmentsV3(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		for i, seg := range segments {
			at := restore.Target{Timestamp: seg.CreatedAt.Add(time.Millisecond)}
			if i%2 == 0 || i+1 < len(segments) && segments[i+1].CreatedAt.Sub(at.Timestamp) < time.Millisecond {
				continue // half of them are enough
			}
			states++
			if restoredSum(t, src, at) != restoredSum(t, dst, at) {
				t.Errorf("%v: two states at %v", seg.Pos(), seg.CreatedAt)
			}
		}
	}
	if states < 30 {
		t.Errorf("%d states are not much", states)
	}
}

// Whatever a run that was killed has left, the next one makes it whole; and no
// one mistakes it for whole before.
func TestMigrateInterrupted(t *testing.T) {
	src := testreplica.Copy(t, "v0.3")
	whole := filepath.Join(t.TempDir(), "whole")
	m := mustMigrate(t, src, whole, migrate.Options{History: true})
	want := contents(t, whole)
	broken := errors.New("killed")
	for _, after := range []int{1, m.Files / 2, m.Files - 1} {
		dst := filepath.Join(t.TempDir(), "dst")
		to := file.NewReplicaClient(dst)
		to.CreateOnly = true
		_, err := migrate.Run(
			t.Context(),
			file.NewReplicaClient(src),
			&failingClient{ReplicaClient: to, left: after, err: broken},
			migrate.Options{History: true, TempDir: t.TempDir()},
		)
		if !errors.Is(err, broken) {
			t.Fatalf("after %d files: got %v", after, err)
		}
		if _, err := os.ReadDir(filepath.Join(dst, "ltx", "0")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after %d files: level 0 is there (%v)", after, err)
		}
		again := mustMigrate(t, src, dst, migrate.Options{History: true})
		if again.Complete || again.Kept+again.Files != m.Files || again.Kept < after-8 {
			t.Errorf("after %d files: got %+v", after, again)
		}
		if diff := cmp.Diff(want, contents(t, dst)); diff != "" {
			t.Errorf("after %d files (-at once +in two runs):\n%s", after, diff)
		}
	}
}

func TestMigrateRefusesOtherContent(t *testing.T) {
	src := testreplica.Copy(t, "v0.3")
	t.Run("a replica", func(t *testing.T) {
		dst := testreplica.Copy(t, "v0.5")
		before := contents(t, dst)
		if _, err := migrateTo(t, src, dst, migrate.Options{}); !errors.Is(err, migrate.ErrOtherContent) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(before, contents(t, dst)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("another state", func(t *testing.T) {
		dst := filepath.Join(t.TempDir(), "dst")
		mustMigrate(
			t,
			src,
			dst,
			migrate.Options{Target: restore.Target{Timestamp: testreplica.Expected(t, "v0.3").Instants[0].At}},
		)
		if _, err := migrateTo(t, src, dst, migrate.Options{}); !errors.Is(err, migrate.ErrOtherContent) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a file too many", func(t *testing.T) {
		dst := filepath.Join(t.TempDir(), "dst")
		mustMigrate(t, src, dst, migrate.Options{})
		if err := os.RemoveAll(filepath.Join(dst, "ltx", "0")); err != nil {
			t.Fatal(err)
		}
		level1 := filepath.Join(dst, "ltx", "1")
		if err := os.Rename(filepath.Join(level1, ltx.FormatName(2, 2)),
			filepath.Join(level1, ltx.FormatName(3, 3))); err != nil {
			t.Fatal(err)
		}
		if _, err := migrateTo(t, src, dst, migrate.Options{}); !errors.Is(err, migrate.ErrOtherContent) {
			t.Errorf("got %v", err)
		}
	})
}

// A replicator that has gone on, and has deleted old files, is no reason to begin
// again.
func TestMigrateAfterReplicator(t *testing.T) {
	src, dst := testreplica.Copy(t, "v0.3"), filepath.Join(t.TempDir(), "dst")
	m := mustMigrate(t, src, dst, migrate.Options{History: true})
	level0 := filepath.Join(dst, "ltx", "0")
	if err := os.Rename(filepath.Join(level0, ltx.FormatName(m.TXID, m.TXID)),
		filepath.Join(level0, ltx.FormatName(m.TXID+1, m.TXID+1))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dst, "ltx", "9", ltx.FormatName(1, 1))); err != nil {
		t.Fatal(err)
	}
	if again := mustMigrate(t, src, dst, migrate.Options{History: true}); !again.Complete {
		t.Errorf("got %+v", again)
	}
	if err := os.Rename(filepath.Join(level0, ltx.FormatName(m.TXID+1, m.TXID+1)),
		filepath.Join(level0, ltx.FormatName(1, 1))); err != nil {
		t.Fatal(err)
	}
	if _, err := migrateTo(t, src, dst, migrate.Options{History: true}); !errors.Is(err, migrate.ErrOtherContent) {
		t.Errorf("a replicator that began before: got %v", err)
	}
}

func TestMigrateNothing(t *testing.T) {
	for _, opts := range []migrate.Options{{}, {History: true}} {
		for _, src := range []string{t.TempDir(), testreplica.Dir(t, "v0.5")} {
			if _, err := migrateTo(t, src, filepath.Join(t.TempDir(), "dst"), opts); !errors.Is(err, replica.ErrNoReplica) {
				t.Errorf("%s: got %v", src, err)
			}
		}
	}
	for _, opts := range []migrate.Options{{Partial: true}, {History: true,
		Target: restore.Target{Timestamp: time.Now()}}, {Target: restore.Target{TXID: 1}}} {
		if _, err := migrateTo(t, t.TempDir(), t.TempDir(), opts); err == nil || errors.Is(err, replica.ErrNoReplica) {
			t.Errorf("%+v: got %v", opts, err)
		}
	}
}
