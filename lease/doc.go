// Package lease holds leases: it makes one of several processes the writer, with nothing
// but a store of small records (package cas) to agree on.
//
// [Leaser] is the state machine over a cas.Store: acquire, renew, release, break. [Session]
// keeps a lease alive in the background. [Run] does both around a function, and is what
// most programs need. The leasers of the engines (file.Leaser, s3.Leaser) are Leasers.
//
// # Promise
//
//   - At any instant at most one [Session] is valid. Its context ends, and [Session.Valid]
//     is false, Options.Guard before the lease ends.
//   - The generation, the fencing number, never decreases: not by release, expiry, crash or
//     force. Nothing is deleted; a release writes a record, too.
//   - A lease that was acquired or renewed is in the store when the call returns. If the
//     answer to a write was lost, the record is read back (cas.Swap).
//   - A lease is taken over when its record is released; when it has expired, plus
//     Config.MaxSkew, by this machine's clock and by the store's, if that has one; or when
//     the leaser has seen the record unchanged for the TTL in it, plus MaxSkew.
//   - A record that reaches further into the future than Config.MaxTTL allows is a
//     [ReachError], and is not taken over before it has expired.
//
// # Assumption
//
//   - The store's compare-and-swap is one. Package probe finds out; set Options.Probe.
//   - The wall clocks of two machines differ by less than Guard + MaxSkew. If the store's
//     clock is right, they may differ by anything, and run four percent fast or slow.
//   - A write that was sent before the lease ended may arrive afterwards. A lease cannot
//     stop it. Create-only writes can (replica.FencedClient), and so can a receiver that
//     refuses a lower generation than it has seen.
//
// # Proof
//
// internal/leasesim runs this package against simulated clocks, machines and stores, by
// the ten thousand histories, and shows that it catches planted bugs. castest holds every
// engine to the contract of cas.Store. docs/leases.md has the reasons and the measurements.
//
// # Cost
//
// To acquire is a read and a write. To renew, or to release, is a write. A contended
// attempt is a read, which a store with conditional reads answers without the record while
// that has not changed. Only lost answers and lost races cost more.
package lease
