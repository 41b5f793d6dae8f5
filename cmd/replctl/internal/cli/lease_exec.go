package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cmd/replctl/internal/supervise"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
)

const leaseExecLong = `Run a command while the lease is held, and only then: wait for the lease, run CMD,
renew the lease while CMD runs, and release it when CMD, and what it has started in
its process group, has ended.

When the lease is lost, because it could not be renewed in time or somebody broke it,
CMD's process group gets SIGTERM and, --grace later, SIGKILL. With a TTL T, a grace G and
a guard R, renewals are due every (T - G - R)/3. If none has worked, SIGTERM comes G + R
before the end of the lease, and SIGKILL R before it. The guard leaves time for CMD to die
and for clocks that differ. G and R are T/10 by default, and have to be less than T
together. With the defaults, renewals are due every 8s, SIGTERM comes 6s before the end,
and SIGKILL 3s before it.

The lease is released when no process of CMD's group is left. After a SIGKILL it is
released up to G + R later, since a request that CMD had sent may still arrive.

If replctl itself is stopped, starved or killed with SIGKILL, it kills nothing in time.
On Linux and FreeBSD the kernel kills CMD when replctl dies, but not what CMD has started;
on other systems it does not even kill CMD. So have writes that must not happen twice
refused for an old generation, which CMD finds in its environment:

  REPLCTL_LEASE_GENERATION  the fencing number, the same while CMD runs
  REPLCTL_LEASE_OWNER       the holder's name
  REPLCTL_LEASE_URL         the URL, without secrets

Signals: SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed to CMD's
process group. While there is no lease yet, the first four end replctl (a second one ends
it at once), and the others do nothing. SIGTSTP (Ctrl-Z), SIGTTIN and SIGTTOU are ignored, also by CMD
unless it handles them: a stopped command cannot end in time. If standard input and output
are a terminal and replctl is in its foreground, CMD's group takes its place there;
otherwise CMD can write to a terminal, but not read from it.
On Windows there are no process groups to kill: CMD gets Ctrl-Break and is then
terminated, and what it has started goes on.

Without --wait it waits for ever; --wait 0 tries once.

The exit code is CMD's, or 128 and the signal's number if a signal ended it. Other codes:
75, the lease was not acquired in time; 76, it was lost, even if CMD ended by itself at
the same time, since its work may have overlapped with another holder's; 126 and 127, CMD
cannot be executed or is not found; 128 and the signal's number, a signal ended replctl
while it waited; and 1, 2 and 4 as usual. If only the release fails, the exit code is
CMD's, and the lease is left to expire.`

// execFlags are those of lease exec.
type execFlags struct {
	leaseFlags
	wait, grace time.Duration
}

func newLeaseExecCommand(a *app) *cobra.Command {
	var flags execFlags
	cmd := &cobra.Command{
		Use:   "exec URL [flags] -- CMD [ARG]...",
		Short: "Run a command while the lease is held",

		DisableFlagsInUseLine: true,

		Long: leaseExecLong,
		Example: `  replctl lease exec /var/backups/db -- litestream replicate
  replctl lease exec --wait 0 s3://bucket/db -- ./nightly.sh`,
		Args: urlAndCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			path, err := lookCommand(args[1])
			if err != nil {
				return err
			}
			l, err := a.openLeaser(args[0], flags.leaseFlags)
			if err != nil {
				return err
			}
			return a.execute(cmd.Context(), l, shownURL(l, args[0]), flags, path, args[1:])
		},
	}
	flags.addTTL(cmd)
	flags.add(cmd)
	flags.addOwner(cmd)
	flags.addGuard(cmd)
	flags.addSkew(cmd)
	cmd.Flags().DurationVar(&flags.wait, "wait", 0, "how long to wait for the lease; 0 tries once (default for ever)")
	cmd.Flags().DurationVar(&flags.grace, "grace", 0, "time between SIGTERM and SIGKILL (default a tenth of the TTL)")
	return cmd
}

func urlAndCommand(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case len(args) == 0 || dash == 0:
		return fmt.Errorf("which replica? its path or URL is missing")
	case dash < 0:
		return fmt.Errorf("the command is missing, or the -- before it")
	case dash > 1:
		return fmt.Errorf("one replica at a time, not %d", dash)
	case len(args) == 1:
		return fmt.Errorf("the command is missing after --")
	}
	return nil
}

// check validates the flags, and fills in the defaults.
func (f *execFlags) check(cmd *cobra.Command) error {
	if err := f.leaseFlags.check(); err != nil {
		return err
	}
	f.ttl = f.heldFor()
	if !cmd.Flags().Changed("wait") {
		f.wait = forever
	} else if f.wait < 0 {
		return usageError("--wait 1m", "--wait: %v is negative", f.wait)
	}
	if !cmd.Flags().Changed("grace") {
		f.grace = f.ttl / 10
	}
	if f.grace < 0 || f.grace > f.ttl/2 {
		return usageError("a longer --ttl", "--grace: want 0 to half the ttl of %v, not %v", f.ttl, f.grace)
	}
	if f.grace+f.reserve() >= f.ttl {
		return usageError("a longer --ttl",
			"--grace %v and --guard %v: want less than the ttl of %v together", f.grace, f.reserve(), f.ttl)
	}
	return nil
}

// reserve is what is left of the lease at SIGKILL.
func (f *execFlags) reserve() time.Duration {
	if f.guard != 0 {
		return f.guard
	}
	return f.ttl / 10
}

// sessionOptions has the timetable that the help describes.
func (f *execFlags) sessionOptions(notify func(lease.Event)) lease.Options {
	guard := f.grace + f.reserve()
	return lease.Options{
		TTL: f.ttl, Guard: guard, RenewEvery: (f.ttl - guard) / 3, Wait: sessionWait(f.wait), OnEvent: notify,
	}
}

// execute runs a command under the lease.
func (a *app) execute(ctx context.Context, l engines.LeaseClient, url string, flags execFlags, path string,
	args []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	signals, stop := supervise.CatchSignals()
	defer stop()
	report := a.newReporter()
	defer report.close()
	e := &execution{execFlags: flags, report: report, signals: signals, stopSignals: stop}
	e.newChild = func(lease replicate.Lease) *child { return newChild(a, path, args, lease, url) }
	// From here on signals come by the channel.
	return leaseFailure(e.run(context.WithoutCancel(ctx), l), url)
}
