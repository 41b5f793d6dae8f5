package lease_test

import (
	"context"
	"errors"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/probe"
)

// TestSessionProbes: a session asks for no lease where the probe objects, and
// probes once.
func TestSessionProbes(t *testing.T) {
	var store cas.Memory
	leaser := lease.NewLeaser("test", func() lease.Config { return lease.Config{} },
		func(context.Context) (cas.Store, error) { return &store, nil })
	objection, probes := errors.New("no good"), 0
	opts := lease.Options{Probe: func(context.Context) error { probes++; return objection }}
	if _, err := lease.TryAcquire(t.Context(), leaser, opts); !errors.Is(err, objection) {
		t.Errorf("TryAcquire: %v", err)
	}
	if _, err := lease.Acquire(t.Context(), leaser, opts); !errors.Is(err, objection) {
		t.Errorf("Acquire: %v", err)
	}
	if r, err := store.Read(t.Context(), lease.DefaultFile, ""); r.Exists() || err != nil {
		t.Errorf("a lease was asked for: %+v, %v", r, err)
	}
	objection = nil
	session, err := lease.Acquire(t.Context(), leaser, opts)
	if err != nil {
		t.Fatal(err)
	}
	if probes != 3 {
		t.Errorf("probed %d times in 3 sessions", probes)
	}
	if err := session.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// careless is a store that keeps conditions as long as nobody is looking.
type careless struct{ cas.Memory }

func (s *careless) Write(ctx context.Context, key string, value []byte, _ cas.Token) (cas.Written, error) {
	now, err := s.Read(ctx, key, "")
	if err != nil {
		return cas.Written{}, err
	}
	return s.Memory.Write(ctx, key, value, now.Token)
}

// TestSessionGate: the gate of package probe fits, and stops at a violation.
func TestSessionGate(t *testing.T) {
	store := &careless{}
	target := probe.Target{
		Records: func(context.Context) (cas.Store, error) { return store, nil },
		Objects: func(context.Context) (blob.Store, error) { return blob.NewMemory(), nil },
	}
	leaser := lease.NewLeaser("test", func() lease.Config { return lease.Config{} },
		func(context.Context) (cas.Store, error) { return store, nil })
	_, err := lease.TryAcquire(t.Context(), leaser, lease.Options{Probe: probe.Gate(target,
		probe.Options{Rounds: 1, Writers: 2})})
	if !errors.Is(err, probe.ErrViolation) {
		t.Errorf("TryAcquire: %v", err)
	}
}
