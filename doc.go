// Package replicate has the contracts of leases and of replicas of SQLite databases: the
// interfaces [Leaser], [ReplicaClient] and [ReplicaClientV3], their values and their errors,
// and [ParseURL]. It implements none of them, and imports no engine: a program that wants
// the file engine does not link the SDK of another.
//
// # The rooms
//
//	lease            hold a lease: Run, Session, the Leaser over any cas.Store
//	replica          read and write a replica: Client, FencedClient
//	replica/restore  a state of the database, to a file or a writer
//	replica/check    what is wrong with a replica, and what can be restored
//	replica/retain   what must stay for a window of time
//	replica/mirror   copy a replica
//	replica/prune    delete what a window of time does not need
//	replica/migrate  make an LTX replica of a Litestream v0.3.x backup
//
//	cas              WAIST: small records that change only by compare-and-swap
//	blob             WAIST: large immutable objects, listed in key order
//
//	file             engine: a directory
//	s3               engine: anything that speaks S3
//
//	ltx              LTX files: names, layouts, headers, page index, chains
//	v3compat         Litestream v0.3.x backups, read-only
//	sqlite           what needs SQLite itself: images of live databases, checks
//	store            facades over cas: kv, config, logstate, resource
//	probe            does a store do what leases need?
//	replicatest      the contracts as tests, for any engine
//	cmd/replctl      the command
//
// Many things stand above the two waists and many engines below them, and neither side
// knows the other. Each room's package comment says what it promises.
//
// # What no room promises
//
//   - A lease excludes other holders if the clocks keep to the bounds in docs/leases.md. It
//     cannot stop a store from accepting a write of a former holder that arrives late.
//     Create-only writes can: see replica.FencedClient.
//   - Nothing here replicates a database by itself. Replicators, and the command replctl,
//     are built on it.
package replicate
