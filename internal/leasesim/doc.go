// Package leasesim proves that a lease cannot be held twice, by simulation.
//
// A history is a number of contenders that share one record: they acquire
// sessions, hold, release, crash and start again, wait for each other, and time
// out. It is decided by its seed: which answers of the store are lost, which
// requests are applied long after their sender gave up, which machine is suspended
// or stopped, and whose wall clock is set. It runs in simulated time, in a bubble
// of testing/synctest, so that an hour of it takes a fraction of a second.
//
// The code under test is what everybody uses: lease.Session over
// lease.Leaser over cas.Swap. Simulated are the clocks (package faketime)
// and the store (cas.Memory behind a network).
//
// # What is checked
//
//   - At no true instant two sessions are valid.
//   - Generations grow with each acquisition, as seen by the holders and in the
//     store, and no valid session has a lower one than a valid session before it.
//   - What the store was not told is not reported: a lease that was acquired or
//     renewed is in the store when the call returns; a renewal that landed after the
//     end of the lease does not count.
//   - The context of a session that is over ends, soon, on a machine that runs.
//   - The operations of all leasers are linearizable, against a model of a lock with
//     fencing numbers (porcupine), and so are those of cas.Swap against a register.
//   - Nobody calls an honest record corrupt.
//   - An acquisition that was withdrawn is not in the store, and does not land later.
//   - No write of data by a released session replaces that of a later one, however long
//     the network holds it, up to the guard.
//   - lease.Run says that the lease was lost whatever its function returns, and its
//     session is over when the function has panicked.
//   - What may not survive a crash is not reported as done.
//
// # What is assumed of clocks
//
// The stated bound is Guard + MaxSkew: so far the wall clocks of two machines may be
// apart. If they keep to it, a store may tell any time, another with each answer. If
// the store's clock is right, they may be apart by anything, jump, and run four percent
// fast or slow for as long as a lease lasts; what is left of the difference is a second
// (the resolution), a round trip, and what a clock drifts in one TTL, and that has to
// be within the bound.
//
// A wall clock that is set back counts once more on a machine that is suspended
// before the next renewal: then the monotonic clock stands still, and the wall clock
// that has to make up for it is late. So in histories with suspended machines the
// clocks keep to half of the bound.
//
// # Running it
//
// The plain tests run some hundred histories of 1,000 operations. A failure prints
// its seed, and the command that repeats it:
//
//	go test ./internal/leasesim -run 'TestHistories$' -args -seed 17
//
// A longer soak, from a seed of the day or any other:
//
//	go test ./internal/leasesim -run Soak -timeout 0 -args -histories 20000 -first 1000000
//
// # Mutants
//
// Tests that find nothing prove something only if they would find it. So known bugs
// of leases are planted, by decorators, and must be caught by these same checks.
package leasesim
