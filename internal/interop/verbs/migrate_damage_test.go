package verbs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// failingClient writes some files and then fails.
type failingClient struct {
	replicate.ReplicaClient
	err error

	mu   sync.Mutex
	left int
}

func (c *failingClient) WriteLTXFile(
	ctx context.Context,
	level int,
	minTXID, maxTXID ltx.TXID,
	r io.Reader,
) (*ltx.FileInfo, error) {
	c.mu.Lock()
	c.left--
	over := c.left < 0
	c.mu.Unlock()
	if over {
		return nil, c.err
	}
	return c.ReplicaClient.WriteLTXFile(ctx, level, minTXID, maxTXID, r)
}

func isDamage(err error) bool {
	for _, kind := range []error{replica.ErrDamaged, v3compat.ErrTruncated, v3compat.ErrCorrupt, v3compat.ErrContent} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// Of a damaged backup nothing is migrated, not even a part; of one in which there
// is only what does not belong there, all.
func TestMigrateDamaged(t *testing.T) {
	for _, v := range testreplica.Damaged(t) {
		if !strings.HasPrefix(v.Name, "v3-") && v.Name != "both-formats" {
			continue
		}
		src := testreplica.Copy(t, "damaged/"+v.Name)
		for _, opts := range []migrate.Options{{}, {History: true}} {
			dst := filepath.Join(t.TempDir(), "dst")
			_, err := migrateTo(t, src, dst, opts)
			if v.Want != testreplica.Error {
				if err != nil {
					t.Errorf("%s, history %v: %v", v.Name, opts.History, err)
				}
				continue
			}
			if !isDamage(err) {
				t.Errorf("%s, history %v: got %v", v.Name, opts.History, err)
			}
			if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s, history %v: something was written (%v)", v.Name, opts.History, err)
			}
		}
	}
}

// Around a hole there are states; who asks for them gets them.
func TestMigratePartial(t *testing.T) {
	src := testreplica.Copy(t, "v0.3")
	first := testreplica.Expected(t, "v0.3").Generations[0].Generation
	logs, err := filepath.Glob(filepath.Join(src, "generations", first, "wal", "00000001_*"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	for _, path := range logs {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	dst := filepath.Join(t.TempDir(), "dst")
	_, err = migrateTo(t, src, dst, migrate.Options{History: true})
	if !errors.Is(err, replica.ErrDamaged) || !strings.Contains(err.Error(), "what can be migrated is ") {
		t.Errorf("got %v", err)
	}
	m := mustMigrate(t, src, dst, migrate.Options{History: true, Partial: true})
	facts := testreplica.Expected(t, "v0.3")
	if got := restoredSum(t, dst, restore.Target{}); got != facts.DBSHA256 {
		t.Error("the latest state is not that of the backup")
	}
	instants := 0
	for _, instant := range facts.Instants {
		if _, err := planFor(t, src, instant.At); err == nil {
			instants++
			if got := restoredSum(t, dst, restore.Target{Timestamp: instant.At}); got != instant.DBSHA256 {
				t.Errorf("%v: another state", instant.At)
			}
		}
	}
	if instants == 0 || m.States < 10 {
		t.Errorf("%d instants, %+v", instants, m)
	}
}

func planFor(t *testing.T, dir string, at time.Time) (*restore.Plan, error) {
	t.Helper()
	return restore.NewPlan(t.Context(), file.NewReplicaClient(dir), restore.Target{Timestamp: at})
}

// A database without a page cannot be told in LTX. That it was so once is no obstacle.
func TestMigrateEmptyDatabase(t *testing.T) {
	at := testreplica.Expected(t, "v0.3").Instants[0].At
	for _, test := range []struct {
		name, src string
		at        time.Time
		ok        bool
	}{
		{"alone", filepath.Join(t.TempDir(), "src"), at, false},
		{"in the end", testreplica.Copy(t, "v0.3"), at.Add(time.Hour), false},
		{"in the beginning", testreplica.Copy(t, "v0.3"), at.Add(-time.Hour), true},
	} {
		writeEmptySnapshot(t, test.src, test.at)
		for _, opts := range []migrate.Options{{History: true}, {}} {
			dst := filepath.Join(t.TempDir(), "dst")
			_, err := migrateTo(t, test.src, dst, opts)
			if (err == nil) != test.ok {
				t.Errorf("%s, history %v: got %v", test.name, opts.History, err)
			}
			if _, err := os.Stat(dst); !test.ok && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s, history %v: something was written (%v)", test.name, opts.History, err)
			}
		}
	}
}

func writeEmptySnapshot(t *testing.T, root string, at time.Time) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(v3compat.SnapshotKey("00000000000000ff", 0)))
	var b bytes.Buffer
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), lz4.NewWriter(&b).Close())
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o600)
	}
	if err == nil {
		err = os.Chtimes(path, at, at)
	}
	if err != nil {
		t.Fatal(err)
	}
}
