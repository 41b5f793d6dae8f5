package resource

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
)

// input is an operation on one resource. Its versions are told by what was written
// with them, its generation, which is unlike any other.
type input struct {
	name       string
	op         string // read, write, delete
	generation string // to write
	expect     string // what is to be replaced or deleted; empty: nothing
	version    string // of that
}

type output struct {
	generation string // what was read or written; empty: nothing is there
	version    string
	refused    bool
	unknown    bool
}

// registerModel is one resource; its state is the generation that is there.
var registerModel = porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		by := map[string][]porcupine.Operation{}
		for _, o := range history {
			by[o.Input.(input).name] = append(by[o.Input.(input).name], o)
		}
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{""} },
	Step: func(state, in, out any) []any {
		now, i, o := state.(string), in.(input), out.(output)
		matches := now == i.expect
		switch {
		case i.op == "read":
			return only(now == o.generation, now)
		case o.unknown && matches:
			return []any{now, i.generation} // that of a delete is empty
		case o.unknown:
			return []any{now}
		case o.refused:
			return only(!matches && (now != "" || i.op == "write"), now)
		case i.op == "delete" && now == "":
			return []any{""}
		}
		return only(matches, i.generation)
	},
	Equal: func(a, b any) bool { return a == b },
}

func only(ok bool, state string) []any {
	if !ok {
		return nil
	}
	return []any{state}
}

// TestLinearizable has handles with faults of their own write, delete and read few
// resources, over several laps of the log, and checks the history.
func TestLinearizable(t *testing.T) {
	memory := new(cas.Memory)
	var mu sync.Mutex
	var history []porcupine.Operation
	start := time.Now()
	var clients sync.WaitGroup
	for client := range 6 {
		s := open(t, castest.NewFaulty(memory, uint64(client)), Options{Interval: time.Millisecond, LogRecords: 64})
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(client), 7))
			known := map[string]output{}
			for n := range 100 {
				in := input{name: fmt.Sprint(rng.IntN(3)), op: []string{"read", "write", "write", "delete"}[rng.IntN(4)]}
				in.expect, in.version = known[in.name].generation, known[in.name].version
				if in.op == "write" {
					in.generation = fmt.Sprintf("%d.%d", client, n)
				}
				o := porcupine.Operation{ClientId: client, Input: in, Call: time.Since(start).Nanoseconds()}
				out, ok := perform(t, s, in)
				if !ok {
					continue // certainly nothing
				}
				o.Output, o.Return = out, time.Since(start).Nanoseconds()
				if out.unknown {
					o.Return = time.Hour.Nanoseconds() // it may happen at any time
				}
				if !out.refused && !out.unknown {
					known[in.name] = out
				}
				if out.refused { // look
					known[in.name], _ = perform(t, s, input{name: in.name, op: "read"})
				}
				mu.Lock()
				history = append(history, o)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	model := registerModel.ToModel()
	if result := porcupine.CheckOperationsTimeout(model, history, time.Minute); result != porcupine.Ok {
		t.Errorf("%d operations: %v", len(history), result)
	}
	unknown := 0
	for _, o := range history {
		if o.Output.(output).unknown {
			unknown++
		}
	}
	t.Logf("%d operations, %d of them unknown", len(history), unknown)
}

// perform reports false if the operation failed without having had an effect.
func perform(t *testing.T, s *Store, in input) (out output, ok bool) {
	var err error
	r := &Resource{ID: idOf(in.name), Version: in.version, Generation: in.generation}
	switch in.op {
	case "read":
		r, err = s.Read(t.Context(), Strong, r.ID)
	case "write":
		r, err = s.WriteCAS(t.Context(), r)
	default:
		err = s.DeleteCAS(t.Context(), r.ID, in.version)
	}
	if err == nil && in.op != "delete" {
		out = output{generation: r.Generation, version: r.Version}
	}
	switch {
	case errors.Is(err, ErrInconsistent):
		return out, false
	case errors.Is(err, cas.ErrIndeterminate):
		out.unknown = true
	case errors.Is(err, ErrCASFailure):
		out.refused = true
	case err != nil && !errors.Is(err, ErrNotFound):
		t.Errorf("%+v: %v", in, err)
	}
	return out, true
}
