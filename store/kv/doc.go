// Package kv is records with versions and leases, as etcd has them, small, on any
// [cas.Store]: a directory, a bucket, memory.
//
// A record changes by compare-and-swap on its version. A record that is attached to
// a lease is there as long as the lease is, which the process that took it keeps
// alive: that is how services are registered, members counted, locks held.
//
// # What it promises
//
//   - Each key is linearizable: Create, Get, CasByVersion, Delete, and each record of
//     a GetRange, from any number of processes, behave as if they happened at one
//     instant between call and return.
//   - Versions of a key grow by one with each change, and never repeat. After deleting and
//     creating again, or after a lease has ended, the next one is higher than the last,
//     by whatever amount.
//   - All records of a lease vanish at one instant, on every reader, for good: a lease
//     that has ended is not revived. IDs are drawn at random from 2^53.
//   - A GetRange asks about each lease once, after it has read the records. It never
//     shows a part of the records that were there when the lease ended.
//   - An error means that nothing was changed, and nothing will be, unless it is
//     cas.ErrIndeterminate: the answer was lost, and reading did not tell. Answers
//     that are lost and found again are no errors. A record names its last eight
//     writes, so that a writer finds its own below up to seven later ones.
//   - A record that was cut short or changed in the store is ErrCorrupt, not another value.
//   - The holder of a lease that is kept alive is told when it is lost (StoreLease.Done).
//   - Durable on return, where the store is.
//
// # What it does not promise
//
//   - No transaction over keys. A GetRange is no snapshot: records that change
//     meanwhile are shown as they were, or as they are.
//   - No history: of several changes between two looks WaitForVersionChange shows the
//     last.
//   - A lease says nothing about what its holder is doing: a holder that was stopped
//     goes on after its lease has ended, until it asks. Where that must not be, the
//     version is the fencing token.
//
// # When a lease ends
//
// A lease ends by a write. There is one record for each lease, and at the instant at which it
// says that the lease has ended all its records are gone. A release is such a write. When a
// lease has expired, the first reader that looks writes it. So its end does not depend on each
// reader's clock, and a holder that wakes up too late finds that it cannot renew. Only a
// reader without the permission to write goes by the clock.
//
// A lease has expired Options.MaxSkew after its end, when the reader's clock and the store's,
// if that has one, both say so, or when the reader saw it unchanged for its TTL; see
// lease.Leaser. Records are there up to that much longer than their lease says, and until
// somebody looks, but nobody can see that.
//
// A lease that was seen alive is taken on trust for a while, Options.LeaseCache of whoever
// made it (a second), or until a second before its expiry. So that nobody sees what another
// does not, Release first cuts the lease short, waits until nobody can trust in what was
// before, and then ends it: it takes as long as the lease is trusted. With a LeaseCache of
// the TTL each lease is read once until its expiry, and releasing it is no faster than
// letting it expire; with a negative one a release is immediate, and each look at a
// record takes a look at its lease. This assumes that clocks do not differ by more
// than a second, plus MaxSkew. There is one exception: a renewal that comes through after
// the end of its lease, before anybody has noticed the end, is taken back at once, and a
// reader may see the records up to LeaseCache longer.
//
// # What it costs
//
// Requests to the store, each of them one file or one HTTP request:
//
//	Get                    1
//	GetRange               1 for each 1000 keys in the range, and 1 for each record
//	Create                 2; where the key had nothing and the store can delete, 4;
//	                       where it cannot, 1 more for the first such key of a handle
//	CasByVersion           2; 1 where the version is wrong
//	Delete                 2; 4 where the store can delete
//	WaitForVersionChange   1, and 1 for each look
//	NewLease               2
//	GetLease               1
//	Release                3; 2 where the lease is never taken on trust
//
// and 1 for the lease of a record that is attached to one, once while it is trusted, and 3
// when it is found expired. A lost race costs 1 more and the operation again, but not
// CasByVersion, which has then failed. A lease that is kept alive is written three times
// in its TTL.
//
// The number of keys matters to GetRange only, which lists those in the range and reads
// sixteen at a time. In a directory, listing reads each file, too.
//
// In memory and in a directory a deleted record leaves nothing ([cas.Deleter]). New records
// begin above the floor, the highest version that was deleted. A deletion saves 1 request
// where the floor is as high already. The first GetRange that finds the lease of a record
// ended removes that record.
//
// On S3, where a conditional DELETE is not to be trusted, a small record stays for each key
// and each lease. GetRange lists those of keys, and reads each once: a handle remembers some
// ten thousand that are gone for good. So use names again: a counter of jobs in the keys is
// not for a bucket. There is a floor only if the records were copied from a store that can
// delete (package records).
//
// R2 and GCS take about one write per key and second. Of a key that many want to
// change at once, any object store lets one through per round trip.
//
// # How soon a change is seen
//
// In memory and in a directory of this machine at once (the file engine is told by the
// operating system). Elsewhere WaitForVersionChange looks each Options.PollEvery (a second),
// by a conditional read that has no body while nothing has changed: S3, and on a network
// filesystem, which does not tell of what other machines write, five times that. The end
// of a lease is seen within PollEvery everywhere.
//
// # In the store
//
// Keys, of any bytes, are encoded in a way that keeps their order, below "kv/record/". The
// longest takes 842 bytes, so that a bucket has room for a path of 182 bytes above it.
// A record is two lines of JSON and then the value, as it is:
//
//	{"format":"kv/1","size":29,"sum":"...","seq":3,"nonces":["...","...","..."]}
//	{"version":3,"lease":81236}
//
// The first line has the length and the checksum of what follows, and what tells the
// last writes apart. A record of another format is ErrCorrupt.
//
// Leases are below "kv/lease/", in the form of lock.json, with how long each may be taken on
// trust in the "note".
//
// "kv/floor" has the highest version that was removed.
//
// All of this is tested by package kvtest, which takes any [Storage].
package kv
