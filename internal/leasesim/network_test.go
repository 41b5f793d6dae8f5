package leasesim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/replctl/replicate/cas"
)

// network is the store as a process sees it: far away.
type network struct {
	w *world
	p *process
	// applied is told of a write at the instant when the store changes.
	applied func(op *operation, value []byte, token cas.Token, undurable bool)
	// settles: a refusal of what was applied is settled by reading, as the contract
	// wants of an engine; if somebody else's record is there by then, the outcome is
	// unknown. Without it the engine calls what was applied a conflict.
	settles bool
	// trusted: the next read gets through. It is how an engine has to settle a
	// refusal of what was applied.
	trusted bool
}

var errNetwork = errors.New("simulated network")

const (
	clientTimeout = 15 * time.Second
	// slowestRead is how long a read may take where clocks are corrected by it.
	slowestRead = time.Second
)

type fault int

const (
	fine      fault = iota
	refused         // never sent, and the caller is told so
	lost            // never arrives
	replyLost       // is applied, and the answer is lost
	clash           // is applied, and refused: the answer to a repeated request
	undurable       // is applied, and may not survive a crash
	late            // arrives when the caller has given up
)

// fate decides what happens to a request, and how long it and its answer take.
func (n *network) fate(ctx context.Context, op string) (f fault, there, back time.Duration, r *rand.Rand) {
	r = n.w.draw(n.p.machine.id, fmt.Sprint(op, operationOf(ctx).kind))
	latency := 20 * time.Millisecond
	if r.Float64() < n.w.faults {
		latency = 2 * time.Second
	}
	there, back = rand2(r, time.Microsecond, latency), rand2(r, time.Microsecond, latency)
	switch x := r.Float64() / max(n.w.faults, 1e-9); {
	case x < 0.2:
		f = refused
	case x < 0.4:
		f = lost
	case x < 0.5:
		f = replyLost
	case x < 0.6:
		f = undurable
	case x < 0.8:
		f = clash
	case x < 1:
		f, there = late, rand2(r, clientTimeout/2, 2*ttl)
	}
	if time.Now().UnixNano() < n.p.machine.cut.Load() && f != late {
		f = lost
	}
	return f, there, back, r
}

// travel takes time, and ends early with ctx. Whoever is on a halted machine notices
// nothing before it goes on.
func (n *network) travel(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return n.arrive(ctx)
}

func (n *network) arrive(ctx context.Context) error {
	if !n.p.machine.Running() {
		r := n.w.draw(n.p.machine.id, "arrive")
		n.p.machine.Wait()
		time.Sleep(rand2(r, 1, time.Millisecond))
	}
	if n.p.dead.Load() {
		return errDead
	}
	return context.Cause(ctx)
}

// Read implements cas.Store.
func (n *network) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	f, there, back, r := n.fate(ctx, "read")
	if n.trusted {
		f, n.trusted = fine, false
	}
	sent := n.p.machine.Now()
	if f == lost || f == late || f == replyLost {
		there = rand2(r, 0, clientTimeout)
	}
	err := n.travel(ctx, there)
	if err == nil && f != fine {
		err = errNetwork
	}
	if err != nil {
		return cas.Record{}, fmt.Errorf("read %s: %w", key, err)
	}
	record, err := n.w.mem.Read(context.Background(), key, known)
	record.StoreTime = n.storeTime()
	if err == nil {
		err = n.travel(ctx, back)
	}
	got := n.p.machine.Now()
	if err == nil && n.w.storeTime && max(got.Mono-sent.Mono, got.Wall.Sub(sent.Wall)) > slowestRead {
		err = fmt.Errorf("%w: too slow", errNetwork)
	}
	if err != nil {
		return cas.Record{}, fmt.Errorf("read %s: %w", key, err)
	}
	return record, nil
}

// storeTime is what the store's clock says: where a proxy with a wrong clock answers, that.
func (n *network) storeTime() time.Time {
	if !n.w.storeTime {
		return time.Time{}
	}
	wrong := time.Duration(0)
	if n.w.wrongStore > 0 {
		r := n.w.draw(n.p.machine.id, "proxy")
		wrong = rand2(r, -n.w.wrongStore, n.w.wrongStore)
	}
	return time.Now().Add(wrong).Truncate(time.Second)
}

type answer struct {
	cas.Written
	err error
}

// Write implements cas.Store.
func (n *network) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	f, there, back, r := n.fate(ctx, "write")
	if f == refused {
		if err := n.travel(ctx, there); err != nil {
			return cas.Written{}, fmt.Errorf("write %s: not sent: %w", key, err)
		}
		return cas.Written{}, fmt.Errorf("write %s: not sent: %w", key, errNetwork)
	}
	answers := make(chan answer, 1)
	op := operationOf(ctx)
	go func() {
		time.Sleep(there)
		if f == lost {
			return
		}
		written, err := n.w.mem.Write(context.Background(), key, value, expect)
		written.StoreTime = n.storeTime()
		if err == nil {
			n.applied(op, value, written.Token, f == undurable)
		}
		if f != replyLost {
			answers <- answer{written, err}
		}
	}()
	timeout := time.NewTimer(rand2(r, time.Second, clientTimeout))
	defer timeout.Stop()
	var a answer
	select {
	case a = <-answers:
		if err := n.travel(ctx, back); err != nil {
			a.err = errors.Join(cas.ErrIndeterminate, err)
		}
	case <-timeout.C:
		a.err = fmt.Errorf("%w: time-out", cas.ErrIndeterminate)
		_ = n.arrive(ctx)
	case <-ctx.Done():
		a.err = errors.Join(cas.ErrIndeterminate, context.Cause(ctx))
		_ = n.arrive(ctx)
	}
	if f == undurable && !errors.Is(a.err, cas.ErrConflict) {
		a.err = cas.ErrNotDurable
	}
	if a.err == nil && f == clash && n.settles {
		if r, _ := n.w.mem.Read(context.Background(), key, ""); r.Token != a.Token {
			a.err = fmt.Errorf("%w: refused, perhaps the second time", cas.ErrIndeterminate)
		}
	} else if a.err == nil && f == clash {
		n.trusted = true
		a.err = cas.ErrConflict
	}
	if a.err != nil {
		return cas.Written{}, fmt.Errorf("write %s: %w", key, a.err)
	}
	return a.Written, nil
}

// List implements cas.Store.
func (n *network) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return n.w.mem.List(ctx, prefix, after)
}

// written is a record as it was applied.
type written struct {
	Generation int64 `json:"generation"`
	Released   bool  `json:"released"`

	token     cas.Token
	undurable bool
	wall      time.Time     // of the writer's machine
	at        time.Duration // true time
	seq       int64         // in the order of events
}

// note adds a write to its operation.
func (op *operation) note(value []byte, token cas.Token, undurable bool) written {
	w := op.p.w
	rec := written{token: token, undurable: undurable, wall: op.p.machine.Now().Wall, at: time.Since(w.start)}
	if err := json.Unmarshal(value, &rec); err != nil {
		w.violate("%s wrote %s: %v", op.p.name, value, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	rec.seq = w.seq
	op.writes = append(op.writes, rec)
	return rec
}

// applied notes the write of a lease's record.
func (w *world) applied(op *operation, value []byte, token cas.Token, undurable bool) {
	rec := op.note(value, token, undurable)
	if op.kind == acquiring && op.withdrawn {
		w.violate("an acquisition lands after it was withdrawn: %v", op)
	}
	if stored := w.generationStored(rec.Generation); rec.Generation < stored {
		w.violate("the generation in the store goes from %d to %d", stored, rec.Generation)
	}
	w.check()
}

func (w *world) generationStored(next int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.stored
	w.stored = next
	return before
}
