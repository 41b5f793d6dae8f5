package cli

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cmd/replctl/internal/lsconfig"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
)

// leaseFlags are what the commands let a user say about a lease.
type leaseFlags struct {
	maxTTL time.Duration
	ttl    time.Duration // zero: the default, or maxTTL if that is less
	owner  string        // empty: the default

	guard   time.Duration // zero: the default of the session
	maxSkew time.Duration
}

func (f *leaseFlags) add(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.maxTTL, "max-ttl", lease.DefaultMaxTTL,
		"refuse a lease that runs longer than this; set it to the longest TTL any holder of this lease uses")
}

func (f *leaseFlags) addTTL(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.ttl, "ttl", 0,
		"how long the lease lasts unless it is renewed (default 30s, or --max-ttl if that is less)")
}

func (f *leaseFlags) addOwner(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.owner, "owner", "", "`name` of the holder, for people (default host:pid)")
}

// addSkew adds the flag of commands that take the lease over from another holder.
func (f *leaseFlags) addSkew(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.maxSkew, "max-skew", 0,
		"how long to wait after another holder's lease has ended, in case the clocks differ by so much")
}

// addGuard adds the flag of commands that work under the lease and renew it.
func (f *leaseFlags) addGuard(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.guard, "guard", 0,
		"give the lease up for lost so long before its end unless it is renewed (default a tenth of the TTL)")
}

// heldFor is the TTL of the lease.
func (f *leaseFlags) heldFor() time.Duration {
	if f.ttl != 0 {
		return f.ttl
	}
	return min(lease.DefaultTTL, f.maxTTL)
}

// sessionOptions has a third of what the guard leaves of the TTL between two renewals.
func (f *leaseFlags) sessionOptions(notify func(lease.Event)) lease.Options {
	opts := lease.Options{OnEvent: notify}
	if f.guard != 0 {
		opts.TTL, opts.Guard = f.heldFor(), f.guard
		opts.RenewEvery = (opts.TTL - opts.Guard) / 3
	}
	return opts
}

const (
	minTTL   = 100 * time.Millisecond
	mostTTL  = 1000 * time.Hour
	maxOwner = 1024 // bytes; a record that is too large is corrupt to everybody
)

func (f *leaseFlags) check() error {
	switch {
	case f.maxTTL <= 0:
		return usageError("--max-ttl 30s", "--max-ttl: %v is not positive", f.maxTTL)
	case f.maxTTL > mostTTL:
		return usageError("--max-ttl 30s", "--max-ttl: %v is more than %v", f.maxTTL, mostTTL)
	case f.ttl < 0 || f.ttl > 0 && f.ttl < minTTL:
		return usageError("--ttl 30s", "--ttl: %v is less than %v", f.ttl, minTTL)
	case f.ttl > f.maxTTL:
		return usageError("--max-ttl "+f.ttl.String()+", here and wherever this lease is used",
			"--ttl: %v is more than --max-ttl, %v", f.ttl, f.maxTTL)
	case f.maxSkew < 0:
		return usageError("--max-skew 2s", "--max-skew: %v is negative", f.maxSkew)
	case f.guard < 0:
		return usageError("--guard 3s", "--guard: %v is negative", f.guard)
	case f.guard > f.heldFor()/2:
		return usageError("a longer --ttl", "--guard: %v is more than half the ttl of %v", f.guard, f.heldFor())
	case len(f.owner) > maxOwner || !utf8.ValidString(f.owner):
		return usageError("--owner db-1", "--owner: want valid UTF-8 of up to %d bytes", maxOwner)
	}
	return nil
}

// openLeaser returns the leaser of the replica at a URL.
func (a *app) openLeaser(rawURL string, flags leaseFlags) (engines.LeaseClient, error) {
	if err := flags.check(); err != nil {
		return nil, err
	}
	return a.leaserAt(rawURL, "lease", engines.Options{Owner: flags.owner, TTL: flags.ttl, MaxTTL: flags.maxTTL,
		MaxSkew: flags.maxSkew})
}

// leaserAt returns the leaser of the replica at a URL for a command.
func (a *app) leaserAt(arg, command string, opts engines.Options) (engines.LeaseClient, error) {
	from, err := a.configured(arg)
	if err != nil {
		return nil, err
	}
	return a.leaserOf(from, command, opts)
}

func (a *app) leaserOf(from lsconfig.Replica, command string, opts engines.Options) (engines.LeaseClient, error) {
	p, err := a.parsePlace(from.URL)
	if err != nil {
		return nil, err
	}
	opts.Logger, opts.OnWait = a.logger(), a.sayWait
	l, err := p.Leaser(opts)
	if err != nil {
		return nil, usageError("replctl "+command+" --help", "%w", err)
	}
	if err := authorize(l, from.Credentials); err != nil {
		return nil, err
	}
	a.tuned(l)
	return l, nil
}

// shownURL is the URL of an engine's client or leaser as it may be shown: it includes what
// the flags add, and leaves out secrets.
func shownURL(engine any, rawURL string) string {
	if s, ok := engine.(fmt.Stringer); ok {
		return s.String()
	}
	return rawURL
}
