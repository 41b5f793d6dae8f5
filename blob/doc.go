// Package blob is the waist between replicas and storage engines that carries
// the bulk: large immutable objects, listed in key order.
//
// Everything a replica needs from a disk or a bucket is in [Store]: five verbs,
// no format. Above it stands the replica logic (package replicate) and the two
// formats it reads (ltx, v3compat); below it stand the engines (file, s3, and
// [Memory] here, the reference). An engine never parses a key or looks into an
// object; the logic never learns which engine it talks to.
//
// # What an engine promises
//
//   - Durable on return: when Write or Delete returns nil, the effect survives
//     the crash of the process, the machine, or the power.
//   - All or nothing: an object is visible whole, with its final ModTime and
//     Metadata, or not at all. A failed or interrupted Write leaves no visible
//     object and does not touch the object that was there.
//   - Read after write: Open, Stat and List on any handle see what a Write or
//     Delete that has returned did.
//   - Ordered listing: List yields keys in ascending byte order, each once.
//   - Containment: no key reaches outside the store's root.
//   - Bounded memory: no verb holds a whole object, or the metadata of all
//     objects, in memory. (The file engine holds the names of one directory,
//     because a directory is not sorted.)
//   - Safe for concurrent use.
//
// # What it does not promise
//
// No compare-and-swap: an unconditional Write replaces, and the last of two
// racing writers wins, whole. Exclusion is what package cas and the leases over
// it are for. The one condition is [WriteOptions.IfAbsent]. A List that runs
// beside writes may or may not show them, but shows nothing half-done. A key
// that continues another one ("a" and "a/b") need not be storable beside it: a
// directory cannot hold a file and a directory of one name.
//
// Every promise is a test in package blobtest, and each engine runs them all.
package blob
