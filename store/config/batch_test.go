package config_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
)

// counted counts the requests to a store that can write a batch.
type counted struct {
	*cas.Memory
	n atomic.Int64
}

func (c *counted) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	c.n.Add(1)
	return c.Memory.Read(ctx, key, known)
}

func (c *counted) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	c.n.Add(1)
	return c.Memory.Write(ctx, key, value, expect)
}

func (c *counted) WriteAll(ctx context.Context, changes []cas.Change) ([]cas.Written, error) {
	c.n.Add(1)
	return c.Memory.WriteAll(ctx, changes)
}

func TestCostOfBatch(t *testing.T) {
	store := &counted{Memory: new(cas.Memory)}
	s := config.New(store, config.Options{})
	for i, want := range []int64{3, 1} {
		store.n.Store(0)
		if err := s.SaveSnapshot(t.Context(), "c", "v1", content("v1")); err != nil {
			t.Fatal(err)
		}
		if got := store.n.Load(); got != want {
			t.Errorf("save %d: %d requests, want %d", i+1, got, want)
		}
	}
}

// TestNoOrphans: however a save ends, there is no content that belongs to no snapshot.
func TestNoOrphans(t *testing.T) {
	memory := new(cas.Memory)
	faulty := castest.NewFaulty(memory, 1)
	failed := 0
	for i := range 200 {
		s := config.New(faulty, config.Options{})
		if err := s.SaveSnapshot(t.Context(), "c", fmt.Sprint("v", i), content("x")); err != nil {
			failed++
		}
	}
	list, err := config.New(memory, config.Options{}).ListSnapshots(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	contents := 0
	for _, err := range memory.List(t.Context(), "config/contents/", "") {
		if err != nil {
			t.Fatal(err)
		}
		contents++
	}
	if contents != len(list) || failed == 0 || len(list)+failed < 200 {
		t.Errorf("%d contents of %d snapshots; %d of 200 saves failed", contents, len(list), failed)
	}
}
