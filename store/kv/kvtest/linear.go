package kvtest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/kv"
)

// call is one operation on a record.
type call struct {
	op, value string
	key       kv.Key
	version   kv.Version // of cas
}

// result is what it returned.
type result struct {
	err     error
	value   string
	version kv.Version
}

// state is what a key has. Its version is that of what it had last where there is nothing.
type state struct {
	there   bool
	value   string
	version kv.Version
	above   bool // the version is above that one, and not known
}

// is reports whether the key may have that version.
func (s state) is(v kv.Version) bool { return v == s.version && !s.above || v > s.version && s.above }

// after is every state that an operation may leave, if it may have that result.
func (s state) after(c call, r result) []any {
	same := []any{s}
	applies := map[string]bool{"create": !s.there, "cas": s.there && s.is(c.version), "delete": s.there}[c.op]
	switch {
	case errors.Is(r.err, cas.ErrIndeterminate) && applies && c.op == "delete":
		return []any{s, state{version: s.version, above: s.above}}
	case errors.Is(r.err, cas.ErrIndeterminate) && applies:
		return []any{s, state{true, c.value, max(s.version, c.version), true}}
	case errors.Is(r.err, cas.ErrIndeterminate):
		return same
	case r.err == nil && c.op == "delete" && applies:
		return []any{state{version: s.version, above: s.above}}
	case r.err == nil && c.op == "get" && s.there && s.value == r.value && s.is(r.version):
		return []any{state{true, r.value, r.version, false}}
	case r.err == nil && applies && r.version > max(s.version, c.version):
		return []any{state{true, c.value, r.version, false}}
	case errors.Is(r.err, kv.ErrNotFound) && !s.there:
		return same
	case errors.Is(r.err, kv.ErrAlreadyExists) && s.there && s.is(r.version):
		return []any{state{true, s.value, r.version, false}}
	case errors.Is(r.err, kv.ErrWrongVersion) && s.there && (s.above || s.version != c.version):
		return same
	}
	return nil
}

var model = porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{}} },
	Step: func(s, c, r any) []any { return s.(state).after(c.(call), r.(result)) },
	DescribeOperation: func(c, r any) string {
		return fmt.Sprintf("%+v -> %+v", c, r)
	},
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		for _, key := range linearKeys {
			others := func(o porcupine.Operation) bool { return o.Input.(call).key != key }
			parts = append(parts, slices.DeleteFunc(slices.Clone(history), others))
		}
		return parts
	},
}

var linearKeys = []kv.Key{"a", "b", "c"}

// testLinearizable: clients make a history that could have happened one after the other.
func testLinearizable(t *testing.T, h Harness) {
	open := h.New(t)
	linearizable(t, h, func(int) kv.Storage { return open() })
}

// linearizable has clients, each with a storage of its own, that may lose requests and
// answers.
func linearizable(t *testing.T, h Harness, open func(id int) kv.Storage) {
	var mu sync.Mutex
	var history []porcupine.Operation
	var clients sync.WaitGroup
	start := time.Now()
	for id := range 5 {
		clients.Go(func() {
			c := &client{s: open(id), rand: rand.New(rand.NewPCG(uint64(id), 2)), id: id}
			for range max(40, h.rounds(200)) {
				o := c.step(t, start)
				mu.Lock()
				history = append(history, o)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	// A call that certainly had no effect says nothing.
	history = slices.DeleteFunc(history, func(o porcupine.Operation) bool {
		err := o.Output.(result).err
		return errors.Is(err, castest.ErrInjected) && !errors.Is(err, cas.ErrIndeterminate)
	})
	applied := slices.ContainsFunc(history, func(o porcupine.Operation) bool {
		return o.Output.(result).err == nil && o.Input.(call).op == "cas"
	})
	if !applied {
		t.Error("no change got through")
	}
	got, _ := porcupine.CheckOperationsVerbose(model.ToModel(), history, time.Minute)
	if got != porcupine.Ok {
		t.Errorf("the history is not linearizable: %v", got)
		for _, o := range history {
			t.Logf("%d: %s", o.ClientId, model.DescribeOperation(o.Input, o.Output))
		}
	}
}

// client does random operations, with versions that it has seen.
type client struct {
	s    kv.Storage
	rand *rand.Rand
	id   int
	n    int
	seen [3]kv.Version
}

func (c *client) step(t *testing.T, start time.Time) porcupine.Operation {
	i := c.rand.IntN(len(linearKeys))
	c.n++
	in := call{
		op:  []string{"get", "get", "create", "cas", "cas", "cas", "delete"}[c.rand.IntN(7)],
		key: linearKeys[i], value: fmt.Sprintf("%d.%d", c.id, c.n), version: c.seen[i],
	}
	began := time.Since(start)
	out := c.do(t, in)
	ended := time.Since(start)
	if out.version != 0 {
		c.seen[i] = out.version
	}
	if errors.Is(out.err, cas.ErrIndeterminate) {
		ended = math.MaxInt64 // it may happen at any time
	}
	return porcupine.Operation{ClientId: c.id, Input: in, Call: int64(began), Output: out, Return: int64(ended)}
}

func (c *client) do(t *testing.T, in call) (out result) {
	r := kv.Record{Key: in.key, Value: []byte(in.value), Version: in.version}
	switch in.op {
	case "get":
		r, out.err = c.s.Get(t.Context(), in.key)
		out.value, out.version = string(r.Value), r.Version
	case "create":
		out.version, out.err = c.s.Create(t.Context(), r)
	case "cas":
		out.version, out.err = c.s.CasByVersion(t.Context(), r)
	case "delete":
		out.err = c.s.Delete(t.Context(), in.key)
	}
	return out
}
