package lease

import (
	"slices"
	"sync"
	"time"

	"github.com/replctl/replicate"
)

// EventKind says what happened to a lease.
type EventKind string

const (
	EventAcquired    EventKind = "acquired"
	EventWaiting     EventKind = "waiting"      // for another holder, Err is the LeaseExistsError; or for the store
	EventRenewed     EventKind = "renewed"      // Latency says how long it took
	EventRenewFailed EventKind = "renew failed" // and will be tried again; Err says why
	EventAmbiguous   EventKind = "ambiguous"    // a write's answer was lost
	EventRecovered   EventKind = "recovered"    // and the write was found to be applied
	EventLost        EventKind = "lost"         // Err says why
	EventDraining    EventKind = "draining"     // the release waits for Latency: a request may arrive yet
	EventReleased    EventKind = "released"
	EventBroken      EventKind = "broken"
	EventSkew        EventKind = "clock skew" // the store's clock is visibly apart; Skew says how far
)

// Event is one thing that happened to a lease, for logs and metrics.
type Event struct {
	Kind    EventKind
	Lease   replicate.Lease // as far as it is known
	Latency time.Duration   // of acquisitions and renewals
	Skew    time.Duration   // how far the store's clock is ahead of this machine's
	Err     error
}

// observers are told of events, in the order in which they were added.
type observers struct {
	mu  sync.Mutex
	all []*func(Event) // never changed in place
}

func (o *observers) add(notify func(Event)) (stop func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	me := &notify
	o.all = append(slices.Clip(o.all), me)
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.all = slices.DeleteFunc(slices.Clone(o.all), func(other *func(Event)) bool { return other == me })
	}
}

func (o *observers) tell(e Event) {
	o.mu.Lock()
	all := o.all
	o.mu.Unlock()
	for _, notify := range all {
		(*notify)(e)
	}
}
