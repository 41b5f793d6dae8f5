package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// leaseFailure gives an error of the lease commands an exit code, and advice for the operator.
func leaseFailure(err error, url string) error {
	var ce *cliError
	var exists *replicate.LeaseExistsError
	var reach *lease.ReachError
	show := "replctl lease show " + shellQuote(url)
	switch {
	case err == nil, errors.As(err, &ce):
		return err
	case errors.As(err, &exists):
		return &cliError{exitNotAcquired, fmt.Errorf("lease not acquired: %s", heldBy(exists)), "--wait 1m"}
	case errors.Is(err, replicate.ErrLeaseNotHeld), errors.Is(err, lease.ErrLost):
		return &cliError{exitLost, plain(err), show}
	case errors.Is(err, replicate.ErrLeaseAlreadyReleased):
		return &cliError{exitFailure, plain(err), show}
	case errors.As(err, &reach) && reach.OtherMaximum():
		return &cliError{exitNotAcquired, fmt.Errorf("lease not acquired: %w", plain(reach)),
			fmt.Sprintf("--max-ttl %v, here and wherever this lease is used", reach.TTL)}
	case errors.As(err, &reach):
		return &cliError{exitDamage, plain(err), show + ", and the clocks of the holder and of this machine"}
	case errors.Is(err, replicate.ErrLeaseCorrupt):
		return &cliError{exitDamage, plain(err), show + ", and then lease break"}
	case errors.Is(err, cas.ErrIndeterminate) && advice(err) != "":
		return &cliError{exitFailure, plain(err), advice(err)}
	case errors.Is(err, cas.ErrIndeterminate) && !errors.Is(err, context.Canceled):
		return &cliError{exitFailure, plain(err), show + ", for it may have been done"}
	}
	return err
}

// heldBy names the holder. The name comes from the store, and may be any text.
func heldBy(e *replicate.LeaseExistsError) string {
	return fmt.Sprintf("held by %q until %s", e.Owner, stamp(e.ExpiresAt))
}

// plain is an error's text on one line, whatever the store has put into it.
func plain(err error) error { return errors.New(harmless(err.Error())) }
