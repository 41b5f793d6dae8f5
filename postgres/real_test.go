//go:build realservers

package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/pgserver"
	"github.com/replctl/replicate/postgres"
	"github.com/replctl/replicate/probe"
	"github.com/replctl/replicate/replicatest"
)

var names atomic.Int64

// fresh is a schema that does not exist yet.
func fresh() postgres.Options { return postgres.Options{Schema: fmt.Sprint("test_", names.Add(1))} }

func open(t testing.TB, s *pgserver.Server, opts postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), s.URL(""), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestContract(t *testing.T) {
	server := pgserver.Start(t, "max_connections=500")
	for name, quiet := range map[string]bool{"notify": false, "quiet": true} {
		t.Run(name, func(t *testing.T) {
			castest.Run(t, castest.Harness{Unchanged: true, Clock: true, Slow: true,
				New: func(t *testing.T) func() cas.Store {
					opts := fresh()
					opts.Quiet = quiet
					return func() cas.Store {
						if quiet { // and no cas.Notifier
							return struct{ all }{open(t, server, opts).Store}
						}
						return open(t, server, opts)
					}
				},
				NoNotify: map[bool]string{true: "it is quiet"}[quiet],
			})
		})
	}
	t.Run("Leaser", func(t *testing.T) {
		replicatest.RunLeaser(t, func(t *testing.T) replicatest.Lock {
			store := open(t, server, fresh())
			return lockOn(store, store)
		})
	})
	t.Run("Probe", func(t *testing.T) {
		report, err := probe.Run(t.Context(), postgres.NewLeaser(open(t, server, fresh())).ProbeTarget(), probe.Options{})
		if err != nil || report.Verdict != probe.Conformant || len(report.Left) > 0 {
			t.Errorf("the probe says %+v, %v", report, err)
		}
	})
}

type all interface {
	cas.Deleter
	cas.Batcher
}

// lockOn is a lease's place in a store.
func lockOn(store cas.Deleter, s *postgres.Store) replicatest.Lock {
	ctx := context.Background()
	return replicatest.Lock{
		Open: func(c replicatest.LeaserConfig) replicate.Leaser {
			l := postgres.NewLeaser(s)
			if c.Owner != "" {
				l.Owner = c.Owner
			}
			if c.MaxTTL > 0 {
				l.MaxTTL, l.TTL = c.MaxTTL, min(l.TTL, c.MaxTTL)
			}
			if c.TTL > 0 {
				l.TTL = c.TTL
			}
			return l
		},
		Get: func() ([]byte, error) {
			r, err := store.Read(ctx, "lock.json", "")
			return r.Value, err
		},
		Put: func(value []byte) error {
			r, err := store.Read(ctx, "lock.json", "")
			if err == nil {
				_, err = store.Write(ctx, "lock.json", value, r.Token)
			}
			return err
		},
		Remove: func() error {
			r, err := store.Read(ctx, "lock.json", "")
			if err == nil {
				err = store.Delete(ctx, "lock.json", r.Token)
			}
			return err
		},
	}
}

// TestProbeFindsSettings: settings that lose acknowledged writes are a violation.
func TestProbeFindsSettings(t *testing.T) {
	server := pgserver.Start(t, "fsync=off")
	server.Exec(t, "ALTER ROLE postgres SET synchronous_commit = off")
	target := postgres.NewLeaser(open(t, server, fresh())).ProbeTarget()
	report, err := probe.Run(t.Context(), target, probe.Options{Rounds: 1})
	if err != nil || report.Verdict != probe.Violation {
		t.Fatalf("the probe says %+v, %v", report, err)
	}
	if text := report.Err().Error(); !strings.Contains(text, "fsync=off, synchronous_commit=off") {
		t.Errorf("the probe says %s", text)
	}
}

// TestRefused: what cannot be written to, or may be old, is refused.
func TestRefused(t *testing.T) {
	server := pgserver.Start(t)
	_, err := postgres.Open(t.Context(), server.URL("default_transaction_read_only=on"), postgres.Options{})
	if err == nil || !strings.Contains(err.Error(), "read only") {
		t.Errorf("a read-only session: %v", err)
	}
	store := open(t, server, fresh())
	if _, err := store.Write(t.Context(), "k", []byte("x"), ""); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	server.Standby(t)
	server.Run(t)
	if _, err := postgres.Open(t.Context(), server.URL(""), fresh()); err == nil {
		t.Error("a standby was opened")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, call := range map[string]func() error{
		"Read":  func() error { _, err := store.Read(ctx, "k", ""); return err },
		"Write": func() error { _, err := store.Write(ctx, "k", nil, ""); return err },
		"List": func() error {
			for _, err := range store.List(ctx, "", "") {
				return err
			}
			return nil
		},
	} {
		if err := call(); err == nil {
			t.Errorf("%s on a standby succeeds", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}
