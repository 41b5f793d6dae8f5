package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
)

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

func readLease(ctx context.Context, l engines.LeaseClient) (shownLease, error) {
	held, state, err := l.ReadLease(ctx)
	if err != nil && !errors.Is(err, replicate.ErrLeaseCorrupt) {
		return shownLease{}, err
	}
	shown := shownLease{json: newLeaseJSON(held, state)}
	var reach *lease.ReachError
	switch {
	case state == lease.Corrupt:
		shown.corrupt, shown.json.Note = err, err.Error()
	case errors.As(err, &reach):
		shown.json.Note = reach.Error()
	}
	return shown, nil
}

func (s shownLease) String() string {
	l := s.json
	switch lease.State(l.State) {
	case lease.None:
		return "none: nobody has ever taken the lease"
	case lease.Corrupt:
		return fmt.Sprintf("corrupt: %v (etag %s)", s.corrupt, l.ETag)
	case lease.Released:
		return fmt.Sprintf("released by %q, generation %d", l.Owner, l.Generation)
	}
	text := fmt.Sprintf("%s by %q, generation %d, until %s", l.State, l.Owner, l.Generation, stampAgo(*l.ExpiresAt))
	if l.Note != "" {
		text += "; note: " + l.Note
	}
	return text
}
