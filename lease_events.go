package replicate

import "time"

// EventKind says what happened to a lease.
type EventKind string

const (
	EventAcquired    EventKind = "acquired"
	EventWaiting     EventKind = "waiting"      // for another holder; Err is the LeaseExistsError
	EventRenewed     EventKind = "renewed"      // Latency says how long it took
	EventRenewFailed EventKind = "renew failed" // and will be tried again; Err says why
	EventAmbiguous   EventKind = "ambiguous"    // a write's answer was lost
	EventRecovered   EventKind = "recovered"    // and the write was found to be applied
	EventLost        EventKind = "lost"         // Err says why
	EventReleased    EventKind = "released"
	EventBroken      EventKind = "broken"
	EventSkew        EventKind = "clock skew" // the store's clock is visibly apart; Skew says how far
)

// Event is one thing that happened to a lease, for logs and metrics.
type Event struct {
	Kind    EventKind
	Lease   Lease         // as far as it is known
	Latency time.Duration // of renewals
	Skew    time.Duration // how far the store's clock is ahead of this machine's
	Err     error
}
