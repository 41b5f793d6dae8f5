package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/lease"
)

// leaseJSON is a lease as found. Values that are not known, because the record is corrupt
// or missing, are zero, empty or null.
type leaseJSON struct {
	Generation int64      `json:"generation"`
	Owner      string     `json:"owner"`
	ExpiresAt  *time.Time `json:"expires_at"`
	State      string     `json:"state"`
	ETag       string     `json:"etag,omitempty"`
	Note       string     `json:"note,omitempty"` // on a lease that is held; what is wrong with a record
}

func newLeaseJSON(held *replicate.Lease, state lease.State) leaseJSON {
	out := leaseJSON{State: string(state)}
	if held != nil {
		out.Generation, out.Owner, out.ETag = held.Generation, held.Owner, held.ETag
		out.ExpiresAt = optionalTime(held.ExpiresAt)
	}
	if state == lease.Released { // the record has a time long ago
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
