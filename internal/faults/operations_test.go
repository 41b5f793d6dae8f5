//go:build faults

package faults

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/prune"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/store/resource"
)

// An operation is one call of the library. Its name is what it covers: see [exported].
type operation struct {
	name    string
	replica bool                         // the place has one of both formats
	prepare func(e *env) error           // without failures
	run     func(e *env) (string, error) // its result, as text
	state   func(e *env) (string, error) // of an operation that writes
	records bool                         // it reads and writes records, not objects
	steps   bool                         // it is several writes, and may end between two
	raw     bool                         // it gives what the store gives
	counts  bool                         // its result and state have a number that grows with each run
	again   func(e *env) error           // before the next run after one that failed
	sqlite  bool                         // it is on a database file of SQLite, and not on S3
}

// subject is one of its requests, as [Call] names it.
func (op operation) subject(call string) Subject {
	verb, key, _ := strings.Cut(call, " ")
	return Subject{Op: op.name, Records: op.records, Raw: op.raw, Verb: verb, Key: key}
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
		state:   newest,
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
	{name: "restore.NewPlan v0.3", replica: true, prepare: onlyV3, run: withClient(
		func(e *env, c engines.Client) (string, error) {
			plan, err := restore.NewPlan(e.ctx, c, restore.Target{})
			return planned(plan, err)
		},
	)},
	{
		name:    "restore.File v0.3",
		replica: true,
		state:   restored,
		prepare: onlyV3,
		run: withClient(func(e *env, c engines.Client) (string, error) {
			return planned(restore.File(e.ctx, c, restore.Target{}, e.out, restore.FileOptions{}))
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
		files := 0
		if found.LTX != nil {
			for _, level := range found.LTX.Levels {
				files += level.Files
			}
		}
		return text(files, damage("inspect", found.Problems))
	})},
	{name: "check.Run", replica: true, run: withClient(func(e *env, c engines.Client) (string, error) {
		report, err := check.Run(e.ctx, c, check.Options{})
		if err != nil {
			return "", err
		}
		return "sound", damage("check", report.Problems)
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

var operations = slices.Concat(onReplicas, onViews, inRecords(onRecords), inRecords(onCopies), inRecords(onSQLite))

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
