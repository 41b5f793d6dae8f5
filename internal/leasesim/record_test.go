package leasesim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// leaser is what the simulation needs of one.
type leaser interface {
	replicate.Leaser
	LeaseTTL() time.Duration
	Observe(func(lease.Event)) func()
	WithdrawLease(context.Context) error
}

type kind string

const (
	acquiring kind = "acquire"
	renewing  kind = "renew"
	releasing kind = "release"

	withdrawing kind = "withdraw"
)

// operation is one call of a leaser.
type operation struct {
	p         *process
	kind      kind
	call, ret int64         // in the order of events
	began     time.Duration // true time
	ended     time.Duration
	in, out   replicate.Lease
	err       error
	lapsed    bool // the lease given ended during the call, by either clock, or may have
	writes    []written
	withdrawn bool // an acquisition whose outcome was unknown was undone
}

func (o *operation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v to %v: %s %ss", o.began, o.ended, o.p.name, o.kind)
	for _, l := range []replicate.Lease{o.in, o.out} {
		if l.Generation > 0 {
			fmt.Fprintf(&b, " generation %d etag %s", l.Generation, l.ETag)
		}
	}
	for _, e := range o.writes {
		fmt.Fprintf(&b, ", writes generation %d etag %s (released: %v) at %v", e.Generation, e.token, e.Released, e.at)
	}
	if o.err != nil {
		fmt.Fprintf(&b, ": %v", o.err)
	}
	return b.String()
}

type operationKey struct{}

func operationOf(ctx context.Context) *operation { return ctx.Value(operationKey{}).(*operation) }

// recorder notes what a leaser is asked and answers.
type recorder struct {
	leaser
	p *process
}

func (r *recorder) AcquireLease(ctx context.Context) (*replicate.Lease, error) {
	var lease *replicate.Lease
	return lease, r.record(ctx, acquiring, nil, func(ctx context.Context) (_ *replicate.Lease, err error) {
		lease, err = r.leaser.AcquireLease(ctx)
		return lease, err
	})
}

func (r *recorder) RenewLease(ctx context.Context, in *replicate.Lease) (*replicate.Lease, error) {
	var lease *replicate.Lease
	return lease, r.record(ctx, renewing, in, func(ctx context.Context) (_ *replicate.Lease, err error) {
		lease, err = r.leaser.RenewLease(ctx, in)
		return lease, err
	})
}

func (r *recorder) ReleaseLease(ctx context.Context, in *replicate.Lease) error {
	return r.record(ctx, releasing, in, func(ctx context.Context) (*replicate.Lease, error) {
		return nil, r.leaser.ReleaseLease(ctx, in)
	})
}

// WithdrawLease is followed by a look at the store: nothing that this process was not
// told of may be there, nor arrive later.
func (r *recorder) WithdrawLease(ctx context.Context) error {
	// Many give up at one instant, when the history ends.
	time.Sleep(rand2(r.p.w.draw(r.p.machine.id, "withdraw"), 1, time.Millisecond))
	err := r.record(ctx, withdrawing, nil, func(ctx context.Context) (*replicate.Lease, error) {
		return nil, r.leaser.WithdrawLease(ctx)
	})
	if err != nil {
		return err
	}
	w := r.p.w
	now, _ := w.mem.Read(context.Background(), lease.DefaultFile, "")
	w.mu.Lock()
	var left []string
	for _, o := range w.history {
		if o.p != r.p || o.kind != acquiring || !errors.Is(o.err, cas.ErrIndeterminate) ||
			errors.Is(o.err, cas.ErrSuperseded) {
			continue
		}
		o.withdrawn = true
		for _, e := range o.writes {
			if e.token == now.Token && !e.Released {
				left = append(left, o.String())
			}
		}
	}
	w.mu.Unlock()
	for _, o := range left {
		w.violate("withdrawn, and still held: %s", o)
	}
	return nil
}

func (r *recorder) record(
	ctx context.Context,
	k kind,
	in *replicate.Lease,
	call func(context.Context) (*replicate.Lease, error),
) error {
	if r.p.dead.Load() {
		return errDead
	}
	o := r.p.begin(k)
	if in != nil {
		o.in = *in
	}
	before, changes := r.p.machine.Now(), r.p.machine.changes.Load()
	out, err := call(context.WithValue(ctx, operationKey{}, o))
	now := r.p.machine.Now()
	if out != nil {
		o.out = *out
	}
	o.err = err
	set := r.p.machine.changes.Load() != changes
	o.lapsed = set || !now.Wall.Before(o.in.ExpiresAt) || now.Mono-before.Mono >= ttl
	last, wrote := o.finish()
	if err == nil && k == withdrawing {
		return nil
	}
	if err == nil && wrote && last.undurable {
		r.p.w.violate("reported, and perhaps gone after a crash: %v", o)
	}
	if err == nil && (!wrote || k != releasing && last.token != cas.Token(o.out.ETag)) {
		r.p.w.violate("reported, and not in the store: %v", o)
	}
	if err == nil && k == renewing && wrote && !set && last.wall.After(o.in.ExpiresAt) {
		r.p.w.violate("a renewal counts that landed after the end: %v", o)
	}
	if errors.Is(err, replicate.ErrLeaseCorrupt) && (!r.p.w.storeTime || r.p.w.jump == 0) && r.p.w.wrongStore == 0 {
		r.p.w.violate("an honest record is called corrupt: %v", o)
	}
	return err
}

func (p *process) begin(k kind) *operation {
	w := p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	o := &operation{p: p, kind: k, call: w.seq, began: time.Since(w.start)}
	w.history = append(w.history, o)
	if len(w.history) == w.ops {
		w.end()
	}
	return o
}

// finish notes the answer, and returns what was written last until then.
func (o *operation) finish() (last written, wrote bool) {
	w := o.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	o.ret, o.ended = w.seq, time.Since(w.start)
	if n := len(o.writes); n > 0 {
		return o.writes[n-1], true
	}
	return written{}, false
}
