//go:build faults

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/prune"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/logstate"
	"github.com/replctl/replicate/store/resource"
)

// An operation is one call of the library. Its name is what it covers: see [exported].
type operation struct {
	name    string
	replica bool                           // the place has one of both formats
	prepare func(e *env) error             // without failures
	run     func(e *env) (string, error)   // its result, as text
	state   func(e *env) (string, error)   // of an operation that writes
	records bool                           // it reads and writes records, not objects
	steps   bool                           // it is several writes, and may end between two
	raw     bool                           // it gives what the store gives
	excused func(kind, call string) string // failures that are none for it, and why
}

// The operations that read or write a replica.
var onReplicas = []operation{
	{
		name:    "ReplicaClient.Init",
		replica: true,
		run:     withClient(func(e *env, c engines.Client) (string, error) { return "", c.Init(e.ctx) }),
	},
	{name: "ReplicaClient.LTXFiles", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		return listed(c.LTXFiles(e.ctx, 0, 0, true))
	})},
	{
		name:    "ReplicaClient.OpenLTXFile",
		replica: true,
		raw:     true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return readAll(c.OpenLTXFile(e.ctx, 0, 0x43, 0x43, 0, 0))
		}),
	},
	{
		name:    "ReplicaClient.WriteLTXFile",
		replica: true,
		prepare: keepLTX,
		state:   objects,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			_, err := c.WriteLTXFile(e.ctx, 1, 0x43, 0x43, bytes.NewReader(e.kept.([]byte)))
			return "", err
		}),
	},
	{
		name:    "ReplicaClient.DeleteLTXFiles",
		replica: true,
		state:   objects,
		steps:   true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return "", c.DeleteLTXFiles(
				e.ctx,
				[]*ltx.FileInfo{{Level: 0, MinTXID: 0x43, MaxTXID: 0x43}, {Level: 0, MinTXID: 0x44, MaxTXID: 0x44}},
			)
		}),
	},
	{
		name:    "ReplicaClient.DeleteAll",
		replica: true,
		state:   objects,
		steps:   true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return "", c.DeleteAll(e.ctx)
		}),
	},
	{
		name:    "ReplicaClientV3.GenerationsV3",
		replica: true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return text(c.GenerationsV3(e.ctx))
		}),
	},
	{
		name:    "ReplicaClientV3.SnapshotsV3",
		replica: true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			found, err := c.SnapshotsV3(e.ctx, generation)
			return text(len(found), err)
		}),
	},
	{
		name:    "ReplicaClientV3.WALSegmentsV3",
		replica: true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			found, err := c.WALSegmentsV3(e.ctx, generation)
			return text(len(found), err)
		}),
	},
	{
		name:    "ReplicaClientV3.OpenSnapshotV3",
		replica: true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return readAll(c.OpenSnapshotV3(e.ctx, generation, 0))
		}),
	},
	{
		name:    "ReplicaClientV3.OpenWALSegmentV3",
		replica: true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return readAll(c.OpenWALSegmentV3(e.ctx, generation, 0, 0x2d28))
		}),
	},
	{
		name:    "replica.WriteSnapshot",
		replica: true,
		state:   objects,
		steps:   true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			written, err := replica.WriteSnapshot(
				e.ctx,
				c,
				image{},
				replica.SnapshotOptions{Time: moment, Force: true, Continue: true},
			)
			return text(len(written), err)
		}),
	},
	{name: "restore.NewPlan", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		plan, err := restore.NewPlan(e.ctx, c, restore.Target{})
		return planned(plan, err)
	})},
	{
		name:    "restore.File",
		replica: true,
		state:   restored,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return planned(restore.File(e.ctx, c, restore.Target{}, e.out, restore.FileOptions{}))
		}),
	},
	{
		name:    "restore.File replace",
		replica: true,
		state:   restored,
		prepare: func(e *env) error { return os.WriteFile(e.out, []byte("old"), 0o644) },
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return planned(restore.File(e.ctx, c, restore.Target{}, e.out, restore.FileOptions{Replace: true}))
		}),
	},
	{name: "restore.To", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		var db bytes.Buffer
		_, err := restore.To(e.ctx, c, restore.Target{TXID: 0x46}, &db, restore.Options{})
		return digest(db.Bytes()), err
	})},
	{name: "check.Inspect", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		found, err := check.Inspect(e.ctx, c, check.InspectOptions{})
		if err != nil {
			return "", err
		}
		return text(found.LTX != nil, damage(found.Problems))
	})},
	{name: "check.Run", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		report, err := check.Run(e.ctx, c, check.Options{})
		if err != nil {
			return "", err
		}
		return "sound", damage(report.Problems)
	})},
	{
		name:    "mirror.Copy to a directory",
		replica: true,
		state:   copied,
		steps:   true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			dst, err := (&env{ctx: e.ctx, url: "file://" + e.out}).client()
			if err != nil {
				return "", err
			}
			return copyTo(e, c, dst)
		}),
	},
	{
		name:  "mirror.Copy from a directory",
		state: objects,
		steps: true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			src, err := (&env{ctx: e.ctx, url: "file://" + e.source}).client()
			if err != nil {
				return "", err
			}
			return copyTo(e, src, c)
		}),
	},
	{name: "prune.NewPlan", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		plan, err := prune.NewPlan(e.ctx, c, prune.Options{Since: moment})
		if err != nil {
			return "", err
		}
		return text(len(plan.Objects), nil)
	})},
	{
		name:    "prune.Run",
		replica: true,
		state:   objects,
		steps:   true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			plan, err := prune.NewPlan(e.ctx, c, prune.Options{Since: moment})
			if err != nil {
				return "", err
			}
			return "", prune.Run(e.ctx, c, plan)
		}),
	},
	{
		name:    "migrate.Run",
		replica: true,
		state:   migrated,
		steps:   true,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			dst, err := (&env{ctx: e.ctx, url: "file://" + e.out}).client()
			if err != nil {
				return "", err
			}
			report, err := migrate.Run(e.ctx, c, dst, migrate.Options{Target: restore.Target{Generation: generation}})
			if err != nil {
				return "", err
			}
			return text(report.Files, nil)
		}),
	},
	{
		name:    "FencedClient.Init",
		replica: true,
		run:     fenced(func(e *env, c *replica.FencedClient) (string, error) { return "", c.Init(e.ctx) }),
	},
	{name: "FencedClient.LTXFiles", replica: true, run: fenced(func(e *env, c *replica.FencedClient) (string, error) {
		return listed(c.LTXFiles(e.ctx, 0, 0, true))
	})},
	{
		name:    "FencedClient.OpenLTXFile",
		replica: true,
		raw:     true,
		run: fenced(func(e *env, c *replica.FencedClient) (string, error) {
			return readAll(c.OpenLTXFile(e.ctx, 0, 0x43, 0x43, 0, 0))
		}),
	},
	{
		name:    "FencedClient.WriteLTXFile",
		replica: true,
		prepare: keepLTX,
		state:   objects,
		run: fenced(func(e *env, c *replica.FencedClient) (string, error) {
			_, err := c.WriteLTXFile(e.ctx, 1, 0x43, 0x43, bytes.NewReader(e.kept.([]byte)))
			return "", err
		}),
	},
	{
		name:    "FencedClient.DeleteLTXFiles",
		replica: true,
		state:   objects,
		steps:   true,
		run: fenced(func(e *env, c *replica.FencedClient) (string, error) {
			return "", c.DeleteLTXFiles(e.ctx, []*ltx.FileInfo{{Level: 0, MinTXID: 0x43, MaxTXID: 0x43}})
		}),
	},
	{
		name:    "FencedClient.DeleteAll",
		replica: true,
		state:   objects,
		steps:   true,
		run: fenced(func(e *env, c *replica.FencedClient) (string, error) {
			return "", c.DeleteAll(e.ctx)
		}),
	},
	{
		name:    "blob.Store.List",
		replica: true,
		run:     withBlobs(func(e *env, s blob.Store) (string, error) { return keys(e, s) }),
	},
	{name: "blob.Store.Open", replica: true, raw: true, run: withBlobs(func(e *env, s blob.Store) (string, error) {
		return readAll(s.Open(e.ctx, "ltx/0/0000000000000043-0000000000000043.ltx", 0, 0))
	})},
	{name: "blob.Store.Stat", replica: true, raw: true, run: withBlobs(func(e *env, s blob.Store) (string, error) {
		info, err := s.Stat(e.ctx, "ltx/0/0000000000000043-0000000000000043.ltx")
		return text(info.Size, err)
	})},
	{name: "blob.Store.Write", state: objects, run: withBlobs(func(e *env, s blob.Store) (string, error) {
		_, err := s.Write(e.ctx, "a/b", strings.NewReader("value"), blob.WriteOptions{})
		return "", err
	})},
	{name: "blob.Store.Write if absent", state: objects, run: withBlobs(func(e *env, s blob.Store) (string, error) {
		_, err := s.Write(e.ctx, "a/b", strings.NewReader("value"), blob.WriteOptions{IfAbsent: true})
		return "", err
	})},
	{
		name:  "blob.Store.Write replace",
		state: objects,
		prepare: withRun(withBlobs(func(e *env, s blob.Store) (string, error) {
			_, err := s.Write(e.ctx, "a/b", strings.NewReader("old"), blob.WriteOptions{})
			return "", err
		})),
		run: withBlobs(func(e *env, s blob.Store) (string, error) {
			_, err := s.Write(e.ctx, "a/b", strings.NewReader("value"), blob.WriteOptions{})
			return "", err
		}),
	},
	{
		name:    "blob.Store.Delete",
		replica: true,
		state:   objects,
		steps:   true,
		run: withBlobs(func(e *env, s blob.Store) (string, error) {
			return "", s.Delete(
				e.ctx,
				[]string{
					"ltx/0/0000000000000043-0000000000000043.ltx",
					"ltx/0/0000000000000044-0000000000000044.ltx",
				},
			)
		}),
	},
}

// The operations on leases and records.
var onRecords = []operation{
	{
		name:  "Leaser.AcquireLease",
		state: leaseState,
		run: withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
			return grant(l.AcquireLease(e.ctx))
		}),
	},
	{
		name:    "Leaser.RenewLease",
		state:   leaseState,
		prepare: held,
		run: withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
			return grant(l.RenewLease(e.ctx, e.kept.(*replicate.Lease)))
		}),
	},
	{
		name:    "Leaser.ReleaseLease",
		state:   leaseState,
		prepare: held,
		run: withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
			return "", l.ReleaseLease(e.ctx, e.kept.(*replicate.Lease))
		}),
	},
	{
		name:    "lease.Leaser.ReadLease",
		prepare: held,
		run: withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
			held, state, err := l.ReadLease(e.ctx)
			if err != nil || held == nil {
				return string(state), err
			}
			return text(held.Generation, nil)
		}),
	},
	{
		name:    "lease.Leaser.BreakLease",
		state:   leaseState,
		prepare: held,
		run: withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
			return grant(l.BreakLease(e.ctx, lease.BreakOptions{Generation: 1}))
		}),
	},
	{name: "lease.TryAcquire", state: leaseState, run: session(lease.TryAcquire, nil)},
	{name: "lease.Acquire", state: leaseState, run: session(lease.Acquire, nil)},
	{
		name:  "lease.Run",
		state: leaseState,
		steps: true,
		run: withLeaser(func(e *env, l engines.LeaseClient) (string, error) {
			return "", lease.Run(
				e.ctx,
				l,
				lease.Options{},
				func(context.Context, *lease.Session) error { return nil },
			)
		}),
	},
	{
		name:  "Session.Release",
		state: leaseState,
		steps: true,
		run:   session(lease.TryAcquire, func(e *env, s *lease.Session) error { return s.Release(e.ctx) }),
	},
	{name: "cas.Store.Read", prepare: written, raw: true, run: withRecords(func(e *env, s cas.Store) (string, error) {
		r, err := s.Read(e.ctx, "a/b", "")
		return string(r.Value), err
	})},
	{
		name:    "cas.Store.Write",
		prepare: written,
		state:   recordState,
		run: withRecords(func(e *env, s cas.Store) (string, error) {
			_, err := s.Write(e.ctx, "a/b", []byte("new"), e.kept.(cas.Token))
			return "", err
		}),
	},
	{name: "cas.Store.Write first", state: recordState, run: withRecords(func(e *env, s cas.Store) (string, error) {
		_, err := s.Write(e.ctx, "a/b", []byte("new"), "")
		return "", err
	})},
	{
		name:    "cas.Swap",
		prepare: written,
		state:   recordState,
		run: withRecords(func(e *env, s cas.Store) (string, error) {
			_, err := cas.Swap(e.ctx, s, "a/b", []byte("new"), e.kept.(cas.Token))
			return "", err
		}),
	},
	{name: "cas.Store.List", prepare: written, run: withRecords(func(e *env, s cas.Store) (string, error) {
		var found []string
		for entry, err := range s.List(e.ctx, "", "") {
			if err != nil {
				return "", err
			}
			found = append(found, entry.Key)
		}
		return strings.Join(found, " "), nil
	})},

	{name: "kv.Create", state: kvState, run: withKV(func(e *env, s *kv.Store) (string, error) {
		_, err := s.Create(e.ctx, kv.Record{Key: "a/b", Value: []byte("1")})
		return "", err
	})},
	{name: "kv.Get", prepare: kvPut, run: withKV(func(e *env, s *kv.Store) (string, error) {
		r, err := s.Get(e.ctx, "a/b")
		return string(r.Value), err
	})},
	{name: "kv.GetRange", prepare: kvPut, run: withKV(func(e *env, s *kv.Store) (string, error) {
		found, err := s.GetRange(e.ctx, "", "")
		return text(len(found), err)
	})},
	{name: "kv.CasByVersion", prepare: kvPut, state: kvState, run: withKV(func(e *env, s *kv.Store) (string, error) {
		_, err := s.CasByVersion(e.ctx, kv.Record{Key: "a/b", Value: []byte("2"), Version: e.kept.(kv.Version)})
		return "", err
	})},
	{
		name:    "kv.Delete",
		prepare: kvPut,
		state:   kvState,
		run:     withKV(func(e *env, s *kv.Store) (string, error) { return "", s.Delete(e.ctx, "a/b") }),
	},
	{name: "kv.Replace", prepare: kvPut, state: kvState, run: withKV(func(e *env, s *kv.Store) (string, error) {
		_, err := s.Replace(e.ctx, kv.Record{Key: "a/b", Value: []byte("2"), Version: e.kept.(kv.Version)})
		return "", err
	})},
	{name: "kv.WaitForVersionChange", prepare: kvPut, run: withKV(func(e *env, s *kv.Store) (string, error) {
		r, err := s.WaitForVersionChange(e.ctx, "a/b", 0)
		return string(r.Value), err
	})},
	{name: "kv.NewLease", state: kvState, run: withKV(func(e *env, s *kv.Store) (string, error) {
		_, err := s.NewLease(e.ctx, time.Hour, false)
		return "", err
	})},
	{name: "kv.GetLease", prepare: kvLease, run: withKV(func(e *env, s *kv.Store) (string, error) {
		l, err := s.GetLease(e.ctx, e.kept.(kv.LeaseId))
		if err != nil {
			return "", err
		}
		return text(l.TTL() > 0, nil)
	})},

	{name: "config.SaveSnapshot", state: configState, run: withConfig(func(e *env, s *config.Store) (string, error) {
		return "", s.SaveSnapshot(e.ctx, "c", "v1", []byte("content"))
	})},
	{
		name:    "config.ActivateSnapshot",
		prepare: saved,
		state:   configState,
		run: withConfig(func(e *env, s *config.Store) (string, error) {
			return "", s.ActivateSnapshot(e.ctx, "c", "v1")
		}),
	},
	{
		name:    "config.FailSnapshot",
		prepare: active,
		state:   configState,
		run: withConfig(func(e *env, s *config.Store) (string, error) {
			return "", s.FailSnapshot(e.ctx, "c", "v1")
		}),
	},
	{
		name:    "config.GetActiveSnapshot",
		prepare: active,
		run: withConfig(func(e *env, s *config.Store) (string, error) {
			return content(s.GetActiveSnapshot(e.ctx, "c"))
		}),
	},
	{
		name:    "config.GetActiveVersion",
		prepare: active,
		run: withConfig(
			func(e *env, s *config.Store) (string, error) { return text(s.GetActiveVersion(e.ctx, "c")) },
		),
	},
	{name: "config.GetSnapshot", prepare: active, run: withConfig(func(e *env, s *config.Store) (string, error) {
		return content(s.GetSnapshot(e.ctx, "c", "v1"))
	})},
	{name: "config.ListSnapshots", prepare: active, run: withConfig(func(e *env, s *config.Store) (string, error) {
		found, err := s.ListSnapshots(e.ctx, "c")
		return text(len(found), err)
	})},
	{
		name:    "config.LogApply",
		prepare: active,
		state:   configState,
		run: withConfig(func(e *env, s *config.Store) (string, error) {
			return "", s.LogApply(e.ctx, "i", "c", "v1", config.Applied)
		}),
	},
	{
		name:    "config.CountApplied",
		prepare: applied,
		run: withConfig(
			func(e *env, s *config.Store) (string, error) { return text(s.CountApplied(e.ctx, "c", "v1")) },
		),
	},
	{
		name:    "config.AppliedInstances",
		prepare: applied,
		run: withConfig(func(e *env, s *config.Store) (string, error) {
			return text(s.AppliedInstances(e.ctx, "c", "v1", config.Applied))
		}),
	},
	{
		name:    "config.ResetApplyLog",
		prepare: applied,
		state:   configState,
		run: withConfig(func(e *env, s *config.Store) (string, error) {
			return "", s.ResetApplyLog(e.ctx, "c", "v1")
		}),
	},
	{
		name:    "config.DeleteOldSnapshots",
		prepare: saved,
		state:   configState,
		steps:   true,
		run: withConfig(func(e *env, s *config.Store) (string, error) {
			return text(s.DeleteOldSnapshots(e.ctx, time.Now().Add(time.Hour)))
		}),
	},
	{name: "config.AcquireLock", run: withConfig(func(e *env, s *config.Store) (string, error) {
		release, err := s.AcquireLock(e.ctx, 1)
		if err == nil {
			release()
		}
		return "", err
	}), state: func(*env) (string, error) { return "", nil }},
	{name: "config.AcquireSession", run: withConfig(func(e *env, s *config.Store) (string, error) {
		session, err := s.AcquireSession(e.ctx, 1)
		if err == nil {
			err = session.Release(e.ctx)
		}
		return "", err
	}), state: func(*env) (string, error) { return "", nil }},

	{name: "logstate.Init", run: withLogs(func(e *env, s *logstate.Store) (string, error) { return "", s.Init() })},
	{
		name:    "logstate.Logs",
		prepare: checkpointed,
		run:     withLogs(func(e *env, s *logstate.Store) (string, error) { return text(s.Logs()) }),
	},
	{name: "logstate.Latest", prepare: checkpointed, run: withLogs(func(e *env, s *logstate.Store) (string, error) {
		b, err := s.Latest("log")
		return string(b), err
	})},
	{
		name:    "logstate.Update",
		prepare: checkpointed,
		state:   logState,
		run: withLogs(func(e *env, s *logstate.Store) (string, error) {
			return "", s.Update("log", func([]byte) ([]byte, error) { return []byte("two"), nil })
		}),
	},
	{name: "logstate.ReadOps", prepare: checkpointed, run: withLogs(func(e *env, s *logstate.Store) (string, error) {
		ops, err := s.ReadOps("log")
		if err != nil {
			return "", err
		}
		b, err := ops.GetLatest()
		return string(b), err
	})},
	{
		name:    "logstate.WriteOps",
		prepare: checkpointed,
		state:   logState,
		run: withLogs(func(e *env, s *logstate.Store) (string, error) {
			ops, err := s.WriteOps("log")
			if err != nil {
				return "", err
			}
			_, err = ops.GetLatest()
			if err == nil {
				err = ops.Set([]byte("two"))
			}
			return "", errors.Join(err, ops.Close())
		}),
	},

	{name: "resource.Open", run: withResources(func(*env, *resource.Store) (string, error) { return "", nil })},
	{name: "resource.Read", prepare: resourcePut, run: withResources(func(e *env, s *resource.Store) (string, error) {
		r, err := s.Read(e.ctx, resource.Strong, id)
		if err != nil {
			return "", err
		}
		return string(r.Data), nil
	})},
	{
		name:    "resource.WriteCAS",
		prepare: resourcePut,
		state:   resourceState,
		run: withResources(func(e *env, s *resource.Store) (string, error) {
			_, err := s.WriteCAS(e.ctx, &resource.Resource{ID: id, Version: e.kept.(string), Data: []byte("2")})
			return "", err
		}),
	},
	{
		name:    "resource.DeleteCAS",
		prepare: resourcePut,
		state:   resourceState,
		run: withResources(func(e *env, s *resource.Store) (string, error) {
			return "", s.DeleteCAS(e.ctx, id, e.kept.(string))
		}),
	},
	{name: "resource.List", prepare: resourcePut, run: withResources(func(e *env, s *resource.Store) (string, error) {
		found, err := s.List(e.ctx, resource.Strong, id.Type.Unversioned(), id.Tenancy, "")
		return text(len(found), err)
	})},
	{
		name:    "resource.ListByOwner",
		prepare: resourcePut,
		run: withResources(func(e *env, s *resource.Store) (string, error) {
			found, err := s.ListByOwner(e.ctx, id)
			return text(len(found), err)
		}),
	},
	{
		name:    "resource.WatchList",
		prepare: resourcePut,
		run: withResources(func(e *env, s *resource.Store) (string, error) {
			w, err := s.WatchList(e.ctx, id.Type.Unversioned(), id.Tenancy, "")
			if err != nil {
				return "", err
			}
			defer w.Close()
			ev, err := w.Next(e.ctx)
			if err != nil {
				return "", err
			}
			return text(ev.Operation, nil)
		}),
	},
	{
		name:    "resource.Snapshot",
		prepare: resourcePut,
		run: withResources(func(e *env, s *resource.Store) (string, error) {
			snap, err := s.Snapshot(e.ctx)
			if err != nil {
				return "", err
			}
			return text(snap.Len(), nil)
		}),
	},
	{
		name:    "resource.Restore",
		prepare: resourcePut,
		state:   resourceState,
		run: withResources(func(e *env, s *resource.Store) (string, error) {
			r, err := s.Restore()
			if err != nil {
				return "", err
			}
			defer r.Abort()
			return "", errors.Join(
				r.Apply(&resource.Resource{ID: id, Version: "7", Data: []byte("restored")}),
				r.Commit(e.ctx),
			)
		}),
	},
}

var operations = slices.Concat(onReplicas, inRecords(onRecords))

func inRecords(ops []operation) []operation {
	for i := range ops {
		ops[i].records = true
	}
	return ops
}

var (
	generation = "cc3d8cd75808a4ef"
	moment     = time.Date(2026, 11, 21, 4, 6, 25, 0, time.UTC)
	id         = resource.ID{Type: resource.Type{Group: "g", GroupVersion: "v1", Kind: "k"},
		Tenancy: resource.Tenancy{Partition: "p", PeerName: "l", Namespace: "n"}, Name: "a", UID: "u"}
)

// image is a database of one page.
type image struct{}

func (image) PageSize() uint32 { return 4096 }
func (image) Pages() uint32    { return 1 }
func (image) ReadPage(_ uint32, buf []byte) error {
	copy(buf, "SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20")
	return nil
}

func text(v any, err error) (string, error) { return fmt.Sprint(v), err }
