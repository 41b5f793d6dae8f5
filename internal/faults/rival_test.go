//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/logstate"
	"github.com/replctl/replicate/store/resource"
)

// repeatedInBetween is the kind of failure that [TestRepeatedWithRival] makes: a proxy sends a
// write twice and gives on the second answer, and another client has written in between.
const repeatedInBetween = "repeated, another client's write in between"

// rivals are what the other client does, by operation. It adds to what is there, so that the
// state tells whether the operation was applied before it.
var rivals = map[string]func(e *env) error{
	"cas.Store.Write":         rivalRecord,
	"cas.Store.Write first":   rivalRecord,
	"cas.Swap":                rivalRecord,
	"kv.Create":               rivalKV,
	"kv.CasByVersion":         rivalKV,
	"kv.Delete":               rivalKV,
	"kv.Replace":              rivalKV,
	"config.SaveSnapshot":     active,
	"config.ActivateSnapshot": rivalSnapshot,
	"config.FailSnapshot":     rivalSnapshot,
	"config.LogApply":         rivalApply,
	"config.ResetApplyLog":    rivalSnapshot,
	"logstate.Update":         rivalLog,
	"logstate.WriteOps":       rivalLog,
	"resource.WriteCAS":       rivalResource,
	"resource.DeleteCAS":      rivalResource,
}

var rivalRecord = withRun(withRecords(func(e *env, s cas.Store) (string, error) {
	r, err := s.Read(e.ctx, "a/b", "")
	if err == nil {
		_, err = s.Write(e.ctx, "a/b", append(r.Value, "+rival"...), r.Token)
	}
	return "", err
}))

var rivalKV = withRun(withKV(func(e *env, s *kv.Store) (string, error) {
	r, err := s.Get(e.ctx, "a/b")
	if errors.Is(err, kv.ErrNotFound) {
		_, err = s.Create(e.ctx, kv.Record{Key: "a/b", Value: []byte("rival")})
		return "", err
	}
	if err == nil {
		r.Value = append(r.Value, "+rival"...)
		_, err = s.CasByVersion(e.ctx, r)
	}
	return "", err
}))

var rivalSnapshot = withRun(withConfig(func(e *env, s *config.Store) (string, error) {
	return "", s.SaveSnapshot(e.ctx, "c", "v2", []byte("rival"))
}))

var rivalApply = withRun(withConfig(func(e *env, s *config.Store) (string, error) {
	return "", s.LogApply(e.ctx, "j", "c", "v1", config.Applied)
}))

var rivalLog = withRun(withLogs(func(_ *env, s *logstate.Store) (string, error) {
	return "", s.Update("log", func(now []byte) ([]byte, error) { return append(now, "+rival"...), nil })
}))

var rivalResource = withRun(withResources(func(e *env, s *resource.Store) (string, error) {
	other := id
	other.Name = "b"
	_, err := s.WriteCAS(e.ctx, &resource.Resource{ID: other, Data: []byte("rival")})
	return "", err
}))

// TestRepeatedWithRival: a write is applied, another client writes, and the repetition of the
// first write is refused. The operation succeeds, or says that its outcome is unknown: what
// was applied is not called refused, and nothing is written over the other client's write.
func TestRepeatedWithRival(t *testing.T) {
	for _, op := range operations {
		if rivals[op.name] == nil || !Wanted(op.name) || !WantedKind(repeatedInBetween) {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			p := &place{t: t, op: op, srv: fakes3.New(t)}
			p.prepareBase()
			alone, both := p.withRival(false), p.withRival(true)
			for _, c := range p.base.calls {
				if strings.HasPrefix(c, "PutObject ") {
					p.failWithRival(c, alone, both)
				}
			}
		})
	}
	for name := range rivals {
		if !slices.ContainsFunc(operations, func(op operation) bool { return op.name == name }) {
			t.Errorf("%s has a rival, and is no operation", name)
		}
	}
}

// withRival returns the state after the rival alone, or after the operation and the rival.
func (p *place) withRival(both bool) string {
	p.t.Helper()
	rival := rivals[p.op.name]
	var a *attempt
	if both {
		a = p.run(slow, func(*env, func()) {})
	} else {
		a = &attempt{e: p.fresh()}
		if p.op.prepare != nil {
			if err := p.op.prepare(a.e); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	if err := rival(a.e); err != nil {
		p.t.Fatalf("the rival after the operation (%v): %v", both, err)
	}
	return p.state(a.e)
}

func (p *place) failWithRival(c, alone, both string) {
	p.t.Helper()
	var rivalErr error
	a := p.run(faster, func(e *env, _ func()) {
		p.srv.Fail(fakes3.Rule{
			Match: func(r fakes3.Request) bool { return Call(r, e.name) == c },
			Fault: func(w http.ResponseWriter, call *fakes3.Call) {
				call.Apply()
				rivalErr = rivals[p.op.name](e.with(context.Background())) // it may be too early for it
				call.Send(w)
			},
		})
	})
	defer p.done(a)
	var broken []string
	switch {
	case rivalErr != nil:
		broken = Judge(p.base.Result, a.Result, a.before, p.op.steps, nil)
	case a.Failed && !a.Unknown && a.State != alone:
		broken = append(broken, fmt.Sprintf("a plain error, and the write was applied: %s: %s", a.State, a.Said))
	case a.State != both && (!a.Failed || a.State != alone):
		broken = append(broken, fmt.Sprintf("the state is\n%s\nafter both writes it is\n%s\nsaid %s", a.State, both, a.Said))
	}
	Log(p.t, Line{Store: "s3", Op: p.op.name, Call: c, Kind: repeatedInBetween}, a.Result, broken)
}
