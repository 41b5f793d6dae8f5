package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/replicatest"
)

func TestLeaser(t *testing.T) {
	replicatest.RunLeaser(t, func(t *testing.T) replicatest.Lock {
		dir := t.TempDir()
		record := filepath.Join(dir, "replica", "db", file.DefaultLeaseFile)
		return replicatest.Lock{
			Open: func(c replicatest.LeaserConfig) replicate.Leaser {
				l := file.NewLeaser(dir)
				l.Path, l.Owner, l.TTL, l.MaxTTL = "replica/db", c.Owner, c.TTL, c.MaxTTL
				return l
			},
			Get: func() ([]byte, error) {
				data, err := os.ReadFile(record)
				if errors.Is(err, fs.ErrNotExist) {
					return nil, nil
				}
				return data, err
			},
			Put: func(data []byte) error {
				if err := os.MkdirAll(filepath.Dir(record), 0o700); err != nil {
					return err
				}
				return os.WriteFile(record, data, 0o600)
			},
			Remove: func() error { return os.Remove(record) },
		}
	})
}

func TestNewLeaser(t *testing.T) {
	l := file.NewLeaser("/x")
	if l.Dir != "/x" || l.TTL != file.DefaultLeaseTTL || l.MaxTTL != file.DefaultLeaseMaxTTL || l.Owner == "" ||
		l.Type() != "file" {
		t.Errorf("NewLeaser: %+v", l)
	}
	for _, path := range []string{"..", "../y", "/etc", "a/../../y"} {
		l := file.NewLeaser(t.TempDir())
		l.Path = path
		if _, err := l.AcquireLease(t.Context()); err == nil {
			t.Errorf("a lease at path %q is acquired", path)
		}
	}
}

// TestDeleteAllLeavesTheLease: the replica goes, the lease and its number stay.
func TestDeleteAllLeavesTheLease(t *testing.T) {
	dir := t.TempDir()
	l := file.NewLeaser(dir)
	lease, err := l.AcquireLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := file.NewReplicaClient(dir).DeleteAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lease, err = l.RenewLease(t.Context(), lease); err != nil || lease.Generation != 1 {
		t.Errorf("after DeleteAll: %+v, %v", lease, err)
	}
}
