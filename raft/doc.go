// Package raft is the engine that keeps records on a few machines of one's own, without an
// object store or a database: each runs a [Node], and the nodes agree on one log by the Raft
// algorithm (github.com/hashicorp/raft).
//
// A Node is a cas.Store, cas.Notifier, cas.Deleter and cas.Batcher. Every node serves every
// call: a follower asks the leader. Three nodes go on when one is lost, five when two are.
//
// # What is promised
//
//   - A write that returned nil is on the disks of a majority of the voters, synced.
//   - A write that failed with an error other than cas.ErrIndeterminate was not applied, and
//     never will be. A write is sent again only where it certainly was not applied.
//   - A strong read (the default) sees every write that returned before the read began. The
//     leader asks a majority whether it still is the leader, after the read began, and
//     answers from its own memory.
//   - An eventual read ([Options].Read) is answered from this node's memory without a request.
//     It may be old, but on one node it never goes back, across a restart either. It does not
//     keep the contract of package cas: never put a lease on it.
//   - Notify hints when this node has applied the change.
//
// # What is assumed
//
//   - A disk that has synced keeps what was written. A voter whose disk is lost must come back
//     as a new member: empty the directory, and start it with [Config].Join.
//   - The records fit into the memory of each node.
//   - No clock is trusted. Timeouts decide how soon a leader is replaced, and nothing else.
//   - Whoever can reach the port of a node without TLS owns the cluster. With [Config].TLS
//     either side of each connection must show a certificate of the cluster's own authority.
//
// # Clients
//
// [Dial] returns a client for those who are no member: it asks the nodes that it knows until one leads,
// or says who does. What is promised holds for it as for a node, but that it has no eventual reads.
// Notify is a stream of hints from the leader; when it breaks the client hints once, and opens another.
//
// # One port
//
// Raft's own protocol and gRPC share a port. The first byte of a connection (after the TLS
// handshake, if there is TLS) says which of them it carries.
//
// # Members
//
// The first node starts with [Config].Bootstrap, the others with [Config].Join. A node joins as a
// non-voter, which makes no majority harder to reach, and becomes a voter when it has caught up.
//
// # Files
//
// The directory of a node has log.db (the log, and the node's votes; go.etcd.io/bbolt) and
// snapshots/. The format of what this package puts into them has a version; testdata has files of each.
package raft
