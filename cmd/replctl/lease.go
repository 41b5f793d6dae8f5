package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
)

// leaseJSON is a lease as found: zero, empty and null what is not known, of a corrupt
// record or where there is none.
type leaseJSON struct {
	Generation int64      `json:"generation"`
	Owner      string     `json:"owner"`
	ExpiresAt  *time.Time `json:"expires_at"`
	State      string     `json:"state"`
	ETag       string     `json:"etag,omitempty"`
	Note       string     `json:"note,omitempty"` // what a reader should know of a lease that is held
}

func newLeaseJSON(lease *replicate.Lease, state replicate.LeaseState) leaseJSON {
	out := leaseJSON{State: string(state)}
	if lease != nil {
		out.Generation, out.Owner, out.ETag = lease.Generation, lease.Owner, lease.ETag
		out.ExpiresAt = optionalTime(lease.ExpiresAt)
	}
	if state == replicate.LeaseReleased { // its record ends long ago, by every clock
		out.ExpiresAt = nil
	}
	return out
}

const leaseLong = `A lease says who may write to a replica: one holder at a time, with a generation
that grows with each change of holder. It is the record lock.json in the replica's
root, which Litestream's leaser reads and writes too.

States: held, expired (not renewed in time, free to take), released (given up, free
to take), none (there is no record), corrupt (the record cannot be trusted, and
nobody takes the lease while it says so).

A lease whose holder has a longer TTL than --max-ttl is held, and a note says so:
nobody takes it before it has ended. Use the same --max-ttl wherever a lease is used.

"lease exec" runs a command under the lease, and is what most uses want. With
"lease acquire" the lease has to be renewed by hand before it ends.`

func newLeaseCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lease",
		Short: "Show, take and give up the right to write to a replica",
		Long:  leaseLong,
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newLeaseShowCommand(a), newLeaseWatchCommand(a), newLeaseExecCommand(a),
		newLeaseAcquireCommand(a), newLeaseRenewCommand(a), newLeaseReleaseCommand(a), newLeaseBreakCommand(a),
	)
	return cmd
}

func newLeaseShowCommand(a *app) *cobra.Command {
	var flags leaseFlags
	cmd := &cobra.Command{
		Use:     "show URL",
		Short:   "Show the lease",
		Long:    "Show the lease: its state, holder, generation and expiry.\n\nExit code 4 means that the record is corrupt.",
		Example: "  replctl lease show /var/backups/db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.openLeaser(args[0], flags)
			if err != nil {
				return err
			}
			shown, err := readLease(cmd.Context(), l)
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(shown.json)
			} else {
				err = a.print("%s\n", shown)
			}
			if err == nil && shown.corrupt != nil {
				return errDamage
			}
			return err
		},
	}
	flags.add(cmd)
	a.addJSON(cmd)
	return cmd
}

// shownLease is a lease as one line for people, or as JSON.
type shownLease struct {
	json    leaseJSON
	corrupt error
}

func readLease(ctx context.Context, l leaser) (shownLease, error) {
	lease, state, err := l.ReadLease(ctx)
	if err != nil && !errors.Is(err, replicate.ErrLeaseCorrupt) {
		return shownLease{}, err
	}
	shown := shownLease{json: newLeaseJSON(lease, state)}
	var reach *replicate.LeaseReachError
	switch {
	case state == replicate.LeaseCorrupt:
		shown.corrupt = err
	case errors.As(err, &reach):
		shown.json.Note = reach.Error()
	}
	return shown, nil
}

func (s shownLease) String() string {
	l := s.json
	switch replicate.LeaseState(l.State) {
	case replicate.LeaseNone:
		return "none: nobody has ever taken the lease"
	case replicate.LeaseCorrupt:
		return fmt.Sprintf("corrupt: %v (etag %s)", s.corrupt, l.ETag)
	case replicate.LeaseReleased:
		return fmt.Sprintf("released by %q, generation %d", l.Owner, l.Generation)
	}
	text := fmt.Sprintf("%s by %q, generation %d, until %s", l.State, l.Owner, l.Generation, stampAgo(*l.ExpiresAt))
	if l.Note != "" {
		text += "; note: " + l.Note
	}
	return text
}

func newLeaseWatchCommand(a *app) *cobra.Command {
	var every time.Duration
	var flags leaseFlags
	cmd := &cobra.Command{
		Use:   "watch URL",
		Short: "Show the lease whenever it changes",
		Long: `Show the lease now, and again whenever its holder, generation or state changes,
until interrupted; renewals are not shown. With --json each is one line.`,
		Example: "  replctl lease watch /var/backups/db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if every <= 0 {
				return usageError("--every 1s", "--every: %v is not positive", every)
			}
			l, err := a.openLeaser(args[0], flags)
			if err != nil {
				return err
			}
			return a.watchLease(cmd.Context(), l, every)
		},
	}
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often to look")
	flags.add(cmd)
	a.addJSON(cmd)
	return cmd
}

func (a *app) watchLease(ctx context.Context, l leaser, every time.Duration) error {
	var last leaseJSON
	for contact := false; ; contact = true {
		shown, err := readLease(ctx, l)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx) // interrupting is how it ends
		case err != nil && !contact:
			return err
		case err != nil:
			a.talk("%v", err)
		case shown.json.holder() != last.holder():
			last = shown.json
			if err := a.printChange(shown); err != nil {
				return err
			}
		}
		// Watchers that were started together should not look together.
		pause := every - rand.N(every/4+1)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// holder is what a watcher is told changes of.
func (l leaseJSON) holder() leaseJSON {
	l.ETag, l.ExpiresAt, l.Note = "", nil, ""
	return l
}

func (a *app) printChange(shown shownLease) error {
	if !a.json {
		return a.print("%s  %s\n", stamp(time.Now()), shown)
	}
	return a.printJSONLine(shown.json)
}
