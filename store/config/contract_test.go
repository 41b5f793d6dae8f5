package config_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/config/configtest"
)

// The program: a leader that brings a version to a fleet, and the instances of the fleet.
// It is written against the contract alone.

// rollOut has two instances apply a version, and activates it.
func rollOut(ctx context.Context, storage config.Storage, version string, content []byte) error {
	const leaders = 1
	release, err := storage.AcquireLock(ctx, leaders)
	if err != nil {
		return err
	}
	defer release()
	if err := storage.SaveSnapshot(ctx, "limits", version, content); err != nil {
		return err
	}
	if err := storage.ResetApplyLog(ctx, "limits", version); err != nil {
		return err
	}
	for _, instance := range []string{"host-1", "host-2"} {
		if err := storage.LogApply(ctx, instance, "limits", version, config.Applied); err != nil {
			return err
		}
	}
	if n, err := storage.CountApplied(ctx, "limits", version); err != nil || n < 2 {
		return errors.Join(err, storage.FailSnapshot(ctx, "limits", version))
	}
	return storage.ActivateSnapshot(ctx, "limits", version)
}

// instance fetches the active snapshot when its version is not the one that it has.
type instance struct{ version, content string }

func (i *instance) poll(ctx context.Context, versions config.ActiveVersionChecker, storage config.Storage) error {
	switch version, err := versions.GetActiveVersion(ctx, "limits"); {
	case errors.Is(err, config.ErrSnapshotNotFound) || err == nil && version == i.version:
		return nil
	case err != nil:
		return err
	}
	snapshot, err := storage.GetActiveSnapshot(ctx, "limits")
	if err == nil {
		i.version, i.content = snapshot.Version, string(snapshot.Content)
	}
	return err
}

func TestContract(t *testing.T) {
	for name, storage := range map[string]config.Storage{
		"memory": config.New(new(cas.Memory), config.Options{}),
		"file":   config.New(file.NewRecords(t.TempDir(), file.Options{}), config.Options{}),
		"native": new(native),
	} {
		t.Run(name, func(t *testing.T) {
			var i instance
			if err := i.poll(t.Context(), storage, storage); err != nil || i.version != "" {
				t.Errorf("before the first version: %+v, %v", i, err)
			}
			for _, v := range []string{"v1", "v2"} {
				if err := rollOut(t.Context(), storage, v, []byte("content of "+v)); err != nil {
					t.Fatal(err)
				}
				if err := i.poll(t.Context(), storage, storage); err != nil || i != (instance{v, "content of " + v}) {
					t.Errorf("after %s: %+v, %v", v, i, err)
				}
			}
			n, err := storage.DeleteOldSnapshots(t.Context(), time.Now().Add(time.Hour))
			left, listErr := storage.ListSnapshots(t.Context(), "limits")
			if n != 1 || len(left) != 1 || left[0].Status != config.StatusActive || err != nil || listErr != nil {
				t.Errorf("deleted %d, left %+v, %v, %v", n, left, err, listErr)
			}
		})
	}
}

// TestNative runs the suite over an implementation without a cas.Store.
func TestNative(t *testing.T) {
	configtest.Run(t, configtest.Harness{New: func(*testing.T) func() config.Storage {
		n := new(native)
		return func() config.Storage { return n }
	}})
}

// native is a config.Storage in memory.
type native struct {
	mu        sync.Mutex
	snapshots []config.Snapshot    // that are there
	contents  map[[2]string][]byte // of all that ever were, by collection and version
	logs      map[[2]string]map[string]string
	locks     map[int64]bool
}

func (n *native) check(names ...string) error {
	for _, name := range names {
		if name == "" || len(name) > config.MaxNameLen || name != string([]rune(name)) {
			return config.ErrInvalidName
		}
	}
	return nil
}

// edit calls fn with a snapshot under the mutex.
func (n *native) edit(collection string, is func(config.Snapshot) bool, fn func(*config.Snapshot)) error {
	if err := n.check(collection); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.snapshots, func(s config.Snapshot) bool { return s.Collection == collection && is(s) })
	if i < 0 {
		return config.ErrSnapshotNotFound
	}
	fn(&n.snapshots[i])
	return nil
}

func named(version string) func(config.Snapshot) bool {
	return func(s config.Snapshot) bool { return s.Version == version }
}

func isActive(s config.Snapshot) bool { return s.Status == config.StatusActive }

func (n *native) SaveSnapshot(_ context.Context, collection, version string, content []byte) error {
	if err := n.check(collection, version); err != nil {
		return err
	}
	if len(content) > config.MaxContentSize {
		return config.ErrTooLarge
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key := [2]string{collection, version}
	if old, ok := n.contents[key]; ok && !bytes.Equal(old, content) {
		return config.ErrSnapshotExists
	}
	for _, s := range n.snapshots {
		if s.Collection == collection && s.Version == version {
			return nil
		}
	}
	if n.contents == nil {
		n.contents, n.logs = map[[2]string][]byte{}, map[[2]string]map[string]string{}
	}
	n.contents[key] = bytes.Clone(content)
	n.snapshots = append(n.snapshots, config.Snapshot{
		Collection: collection, Version: version, Status: config.StatusPending, CreatedAt: time.Now().Round(0),
	})
	return nil
}

func (n *native) ActivateSnapshot(_ context.Context, collection, version string) error {
	return n.edit(collection, named(version), func(s *config.Snapshot) {
		for i := range n.snapshots {
			if old := &n.snapshots[i]; old.Collection == collection && isActive(*old) {
				old.Status = config.StatusInactive
			}
		}
		s.Status = config.StatusActive
	})
}

func (n *native) FailSnapshot(_ context.Context, collection, version string) error {
	return n.edit(collection, named(version), func(s *config.Snapshot) { s.Status = config.StatusFailed })
}

func (n *native) GetActiveVersion(ctx context.Context, collection string) (string, error) {
	s, err := n.GetActiveSnapshot(ctx, collection)
	if err != nil {
		return "", err
	}
	return s.Version, nil
}

func (n *native) GetActiveSnapshot(_ context.Context, collection string) (*config.Snapshot, error) {
	return n.get(collection, isActive)
}

func (n *native) GetSnapshot(_ context.Context, collection, version string) (*config.Snapshot, error) {
	return n.get(collection, named(version))
}

func (n *native) get(collection string, is func(config.Snapshot) bool) (*config.Snapshot, error) {
	var got config.Snapshot
	err := n.edit(collection, is, func(s *config.Snapshot) {
		got = *s
		got.Content = bytes.Clone(n.contents[[2]string{s.Collection, s.Version}])
	})
	if err != nil {
		return nil, err
	}
	return &got, nil
}

func (n *native) ListSnapshots(_ context.Context, collection string) (list []config.Snapshot, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.snapshots {
		if s.Collection == collection {
			list = append(list, s)
		}
	}
	return list, n.check(collection)
}

func (n *native) LogApply(_ context.Context, id, collection, version, status string) error {
	if err := n.check(id, status); err != nil {
		return err
	}
	return n.edit(collection, named(version), func(*config.Snapshot) {
		key := [2]string{collection, version}
		if n.logs[key] == nil {
			n.logs[key] = map[string]string{}
		}
		n.logs[key][id] = status
	})
}

func (n *native) CountApplied(ctx context.Context, collection, version string) (int, error) {
	ids, err := n.AppliedInstances(ctx, collection, version, config.Applied)
	return len(ids), err
}

func (n *native) AppliedInstances(_ context.Context, collection, version, status string) (ids []string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, has := range n.logs[[2]string{collection, version}] {
		if has == status {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, n.check(collection, version, status)
}

func (n *native) ResetApplyLog(_ context.Context, collection, version string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.logs, [2]string{collection, version})
	return n.check(collection, version)
}

func (n *native) DeleteOldSnapshots(_ context.Context, olderThan time.Time) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := len(n.snapshots)
	n.snapshots = slices.DeleteFunc(n.snapshots, func(s config.Snapshot) bool {
		old := s.CreatedAt.Before(olderThan) && !isActive(s)
		if old {
			delete(n.logs, [2]string{s.Collection, s.Version})
		}
		return old
	})
	return before - len(n.snapshots), nil
}

func (n *native) AcquireLock(_ context.Context, key int64) (release func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.locks[key] {
		return nil, fmt.Errorf("lock %d: %w", key, config.ErrLockNotAcquired)
	}
	if n.locks == nil {
		n.locks = map[int64]bool{}
	}
	n.locks[key] = true
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.locks, key)
	}), nil
}
