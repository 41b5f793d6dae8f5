// Package replicate keeps SQLite replicas in a directory or an object store,
// and makes sure that one writer, and only one, is writing.
//
// # What it promises
//
//   - A replica is read and written byte-compatibly with Litestream: the LTX
//     layout of Litestream 0.5, both ways, and the generations/ layout of
//     Litestream v0.3.x, read-only.
//   - What a write makes visible is whole and durable, or it is not visible.
//   - What is damaged or missing is an error that names the object; no listing
//     hides it and no reader passes over it.
//
// # What it does not promise
//
//   - A lease ([Leaser]) excludes other holders if the clocks of the machines, or
//     that of the store, keep to the bounds in docs/leases.md. It cannot stop a
//     store from accepting the write of a former holder that does not ask, or that
//     arrives later than the session's guard after it was given up; create-only
//     writes are for that. See [FencedClient] for a client that asks, and only
//     creates.
//   - It does not replicate a database by itself. It is what replicators,
//     and the command replctl, are built on.
//
// # The house
//
// Two waists, with many things above them and many engines below:
//
//	replicate    the contracts, and their implementation over the waists:
//	             replica.Client (replicas: plans, restores, checks), lease.Leaser
//	             and Session (leases), FencedClient (a replica under a lease)
//	blob         WAIST: large immutable objects, listed in key order
//	cas          WAIST: small records that change only by compare-and-swap
//	ltx          LTX files: names, layouts, headers, page index, chains
//	v3compat     Litestream v0.3.x backups, read-only
//	sqlite       what needs SQLite itself: images of live databases, checks
//	store        facades over cas: kv, config, logstate, resource
//	file         engine: a directory
//	s3           engine: anything that speaks S3
//	probe        does a store do what leases need? over the waists
//	replicatest  the contracts as tests, for any engine
//	cmd/replctl  the command
//
// Import an engine for its constructors and this package for everything else.
// This package imports no engine: who wants the file engine does not link the SDK
// of the other.
package replicate
