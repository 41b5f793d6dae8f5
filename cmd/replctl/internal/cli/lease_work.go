package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/s3"
)

// workFlags are those of a command that writes to a replica under its lease.
type workFlags struct {
	leaseFlags
	wait time.Duration
}

// addWork adds the flags; when says in what case the lease is taken.
func (f *workFlags) addWork(cmd *cobra.Command, when string) {
	f.addTTL(cmd)
	f.add(cmd)
	f.addOwner(cmd)
	f.addGuard(cmd)
	f.addSkew(cmd)
	cmd.Flags().DurationVar(&f.wait, "wait", 0, when+"how long to wait for the lease; 0 tries once")
}

// checkWork refuses what makes no sense; leased is whether the lease is taken, which
// the given flag asks for.
func (f *workFlags) checkWork(leased bool, flag string) error {
	switch {
	case f.wait < 0:
		return usageError("--wait 1m", "--wait: %v is negative", f.wait)
	case !leased && (f.wait != 0 || f.owner != "" || f.ttl != 0 || f.guard != 0 || f.maxSkew != 0):
		return usageError(flag,
			"--wait, --owner, --ttl, --guard and --max-skew are about the lease, which is taken with %s only", flag)
	}
	return f.check()
}

// work lets fn write to a replica: under its lease, with a client that is fenced by
// it, or without.
func (a *app) work(ctx context.Context, r *replica, url string, flags workFlags, leased bool, fn func(ctx context.Context, client replicate.Fenceable, generation int64) error) error {
	client := r.fenceable()
	if !leased {
		return fn(ctx, client, 0)
	}
	l, err := a.openLeaser(url, flags.leaseFlags)
	if err != nil {
		return err
	}
	return leaseFailure(a.underLease(ctx, l, flags, func(ctx context.Context, s *replicate.Session) error {
		return fn(ctx, replicate.NewFencedClient(client, s), s.Generation())
	}), shownURL(l, url))
}

type underLeaseFunc = func(context.Context, *replicate.Session) error

// underLease runs fn while the lease is held, and releases it.
func (a *app) underLease(ctx context.Context, l leaser, flags workFlags, fn underLeaseFunc) (err error) {
	report := a.newReporter()
	defer report.close()
	s, err := awaitSession(ctx, l, flags.session(func(e replicate.Event) {
		if e.Kind == replicate.EventWaiting || e.Kind == replicate.EventDraining {
			report.event(e)
		}
	}), flags.wait)
	if err != nil {
		return err
	}
	workCtx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.Context(), func() { cancel(context.Cause(s.Context())) })
	defer func() {
		stop()
		cancel(nil)
		released := s.Release(context.WithoutCancel(ctx))
		var ce *cliError
		if errors.As(err, &ce) && ce.err == nil && released != nil { // all that it says is printed
			err = released
			return
		}
		err = errors.Join(err, released)
	}()
	return fn(workCtx, s)
}

// fenceable is the engine's own client, create-only.
func (r *replica) fenceable() replicate.Fenceable {
	switch c := r.client.(type) {
	case *file.ReplicaClient:
		c.CreateOnly = true
		return c
	case *s3.ReplicaClient:
		c.CreateOnly = true
		return c
	}
	return r.client.(replicate.Fenceable)
}
