// Package raftbackend keeps resources in a Raft log, over any Raft library or server
// that offers a [Handle]. It has the shape of the storage backend that Consul keeps
// below its resource API. The state, the rules and the events are those of package
// resource ([resource.Machine]): one state machine, two ways to order its changes.
//
// # What the host does
//
// The host owns the log, the elections and the network. It
//
//   - calls [Backend.Apply] for each committed message, on each node, in the order of
//     the log, and hands what that returns to the caller of Handle.Apply;
//   - runs [Backend.Run] for as long as the backend is used;
//   - gives each incoming connection that is for the backend to [Backend.HandleConnection],
//     after its own TLS handshake: the backend itself does no TLS, and checks nobody;
//   - calls [Backend.LeaderChanged] when another node leads;
//   - writes what [Backend.Snapshot] yields into its snapshots, and feeds it to
//     [Backend.Restore], one record at a time, whole and in order; or as a stream, by
//     [Snapshot.WriteTo] and [Restoration.ReadFrom].
//
// With a nil Handle the backend has Apply, Snapshot and Restore, for a tool that reads
// a snapshot or a log. Everything else returns an error.
//
// # What it promises
//
//   - Writes, deletes, strong reads, strong lists and the start of a watch are
//     linearizable, on every node. A follower forwards writes and strong reads to the
//     leader by gRPC. For a list, a watch or a snapshot it asks the leader how far
//     the log is, waits until it has applied that much, and answers from its own memory.
//   - Eventual reads are answered from memory. On one node they never go back, nor
//     behind a write, a strong read, or an event of a watch of the same node: a forwarded
//     call returns when this node has applied what the leader's answer is based on.
//   - A version is the index of the log entry that wrote it. After the content of another
//     store was restored through the log ([Resources].Restore), versions are the
//     index plus an offset that all nodes know, so that none is ever given twice.
//   - A watch has every change once, in the order of the log, whichever node leads. It
//     is resource.ErrWatchClosed where its node cannot go on without a gap: its
//     reader is too slow, or the node's state was replaced by a snapshot or a restore.
//   - An error that is resource.ErrInconsistent means not applied. One that is
//     cas.ErrIndeterminate means not known: the host did not say, or the answer of the
//     leader was lost. No error is both.
//   - Messages, snapshots and calls are protobuf in a byte format that does not change:
//     resources.proto describes it, and files in testdata hold it. The messages of
//     a resource have the field numbers of Consul's pbresource.
//
// # What it does not
//
//   - Nothing is retried. A caller that gets resource.ErrInconsistent during an election
//     calls again.
//   - A follower that is cut off from the log but not from the leader waits, until the
//     caller's context ends.
//   - Who may call: any connection that the host hands over can read and write everything.
//   - More than memory holds: all resources together are at most 1 GiB, as in package
//     resource.
//
// # Status codes
//
// A forwarded call fails with the code that Consul uses, and the follower makes the same
// error of it again:
//
//	resource.ErrNotFound                   NotFound
//	resource.ErrCASFailure                 Aborted
//	resource.ErrWrongUID                   AlreadyExists
//	resource.ErrInconsistent               FailedPrecondition
//	resource.GroupVersionMismatchError     OutOfRange, with a GroupVersionMismatch as detail
//	resource.ErrInvalid                    InvalidArgument
//	cas.ErrTooLarge                        ResourceExhausted
//	anything else                          Internal: a write may have been applied
package raftbackend
