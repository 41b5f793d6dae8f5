//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/logstate"
	"github.com/replctl/replicate/store/resource"
)

// The operations on leases and records.
var onRecords = []operation{
	{
		name:  "Leaser.AcquireLease",
		state: leaseState, counts: true, again: broken,
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
	{
		name: "lease.TryAcquire", state: leaseState, counts: true, again: broken,
		steps: true, // it gives back what it has perhaps acquired
		run:   session(lease.TryAcquire, nil),
	},
	{
		name: "lease.Acquire", state: leaseState, counts: true, again: broken, steps: true,
		run: session(lease.Acquire, nil),
	},
	{
		name:  "lease.Run",
		state: leaseState, counts: true, again: broken,
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
		state: leaseState, counts: true, again: broken,
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
	{name: "config.Collections", prepare: active, run: withConfig(func(e *env, s *config.Store) (string, error) {
		var found []string
		for collection, err := range s.Collections(e.ctx) {
			if err != nil {
				return "", err
			}
			found = append(found, collection)
		}
		return strings.Join(found, " "), nil
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
	{name: "config.TryLock", run: withConfig(func(e *env, s *config.Store) (string, error) {
		lock, err := s.TryLock(e.ctx, 1)
		if err != nil {
			return "", err
		}
		seen := fmt.Sprint(lock.Fence() > 0, lock.Context().Err())
		return seen, lock.Release(e.ctx)
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
