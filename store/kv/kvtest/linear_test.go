package kvtest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/kv"
)

// testFaultyLinearizable: and so they do on stores that lose requests and answers.
func testFaultyLinearizable(t *testing.T, h engine) {
	records := h.records(t)
	linearizable(t, h.Harness, func(id int) kv.Storage {
		store := records()
		return h.on(t, like(store, castest.NewFaulty(dawdling{store}, uint64(id))))
	})
}

// dawdling is a store that takes its time before it reads, so that others can do
// something between a write and reading it back.
type dawdling struct{ cas.Store }

func (s dawdling) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	time.Sleep(rand.N(time.Millisecond))
	return s.Store.Read(ctx, key, known)
}

// Delete implements cas.Deleter, for an engine that is one.
func (s dawdling) Delete(ctx context.Context, key string, expect cas.Token) error {
	return s.Store.(cas.Deleter).Delete(ctx, key, expect)
}
