// Package file is the engine that keeps replicas in a directory, in the layout
// in which Litestream keeps them on disk.
//
// [Store] is the directory as a blob.Store; [ReplicaClient] is a replica in it.
// [Records] is a directory as a cas.Store.
//
//   - Writes are durable when they return, and whole or invisible before; the
//     sequence of system calls is described in internal/durable. Temporary
//     files that a killed process left are hidden, and removed by the next
//     process that writes to or deletes from the same directory.
//   - Names are resolved below the directory ([os.Root]): a key, a file name
//     found in the store, or a symbolic link that leads out of it is refused
//     with an error. Links that stay inside are followed, but for links to
//     directories in a recursive listing, which are an error, since they may
//     lead in circles.
//   - A link to nothing, a named pipe, a socket or a device is no object: listings
//     pass it over, and nothing waits for it. A write replaces it, and replaces
//     a link itself, not what it leads to; a delete removes it likewise.
//   - Files are made with mode 0600 and directories with 0700, less the umask,
//     unless the fields of ReplicaClient say otherwise.
//   - WriteOptions.ModTime sets a file's modification time. WriteOptions.Metadata
//     become its extended attributes "user.replicate.NAME" on Linux, macOS and
//     FreeBSD, before the file is visible. On other systems, on a filesystem that
//     has no such attributes or no room for them (ext4 keeps about 4 KiB for a
//     file), and after a copy by a program that leaves them behind, they are
//     absent, without an error: they are for people and for error messages, and
//     nothing may depend on them. A file that is replaced does not bequeath them.
//   - The directory may be on any local filesystem, or a remote one with
//     close-to-open consistency, atomic rename and working fsync. Create-only
//     writes need hard links.
//   - A listing holds the names of one directory at a time in memory, and stats
//     only what it returns, when it returns it.
package file
