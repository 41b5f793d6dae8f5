// Package replica reads and writes the replica of a SQLite database: its files, when they
// were written, and what can be wrong with them.
//
// [Client] is a replicate.ReplicaClient over any blob.Store; the clients of the engines
// (file.ReplicaClient, s3.ReplicaClient) embed one. [FencedClient] writes through another
// client, and only while a lease.Session is valid.
//
// [Source] is all that the operations on whole replicas ask of a client. A client that
// embeds one of these has it; so can any other that keeps its objects in a blob.Store. The
// operations are functions, each in a package of its verb:
//
//	replica/restore   a state of the database, to a file or a writer
//	replica/check     what is wrong, and what can be restored
//	replica/mirror    a copy of a replica
//	replica/prune     delete what a window of time does not need
//	replica/migrate   a Litestream v0.3.x backup becomes an LTX replica
//
// They share [Files] (the objects of an open replica), [Timeline] (which file leads to
// which state, and when), the reports ([Point], [Window], [Problem]) and the rules that
// tell a damaged object from a replica that could not be read.
//
// # What holds
//
//   - Files are read and written byte-compatibly with Litestream: the LTX layout of
//     Litestream 0.5 both ways, the generations/ layout of v0.3.x read-only.
//   - What a write makes visible is whole and durable, or it is not visible.
//   - [ErrNoReplica] is said only after every listing came back whole and empty. A refusal
//     or a timeout is another error.
//   - The time of an LTX file is in its header. What a store keeps as a file's time is a
//     cache of it, which a copy may have lost.
package replica
