// Package s3 is the engine that keeps replicas in a bucket: Amazon S3 or
// anything that speaks its protocol.
//
// [Store] is a bucket and a prefix as a blob.Store. Every verb is in a file of
// its name. What stores do differently is one table, in internal/place; requests,
// retries and waits are in internal/transport; what an answer means is in internal/answer.
//
//   - A body of known size up to the part size is one PUT, sent from where it
//     is; a larger one is uploaded in parts, without a copy if it is also an
//     io.ReaderAt. A stream of unknown length is held in
//     two buffers of one part each, or Config.Concurrency if the store is slow.
//   - What may pass is retried, with jitter, for Config.RetryTimeout since the
//     last progress, however often that is; what will not pass (a wrong key, a
//     missing bucket, a bad certificate) fails at once.
//   - A read on which nothing arrives for Config.StallTimeout is abandoned and
//     resumed at its offset, pinned to the ETag it began with. It ends with
//     all bytes of one version, or an error.
//   - A create-only write that finds the object there asks whether it is its
//     own, from an attempt whose reply was lost, before it says fs.ErrExist.
//   - Delete reads back a listing, because stores have answered "deleted" and
//     kept the object. That is one more request per thousand keys or so, and
//     needs the permission to list; without it the answer is believed.
//   - The time of an object is the time of its upload: WriteOptions.ModTime is
//     not kept.
//   - No answer but an object takes more than 8 MiB of memory (two pages of a listing
//     are held at a time), an error 64 KiB; a listing that gets nowhere is an error.
//   - No redirect is followed. One of S3 to another region is an error that names it.
//   - A store that does not list in key order is listed whole, and sorted; up to a
//     million names.
//   - A request that makes no progress for two seconds is told to Config.OnWait.
//   - A missing bucket is [ErrNoSuchBucket], not an empty store.
//   - Objects whose keys blob.CheckKey refuses, such as the "folders" that web
//     consoles make, do not exist for this package.
//   - An interrupted upload of several parts is aborted. When the process is
//     killed first, its parts stay, invisible but paid for; give the bucket a
//     lifecycle rule for incomplete uploads.
//
// [Records] is a bucket and a prefix as a cas.Store, and [Leaser] a lease on it.
// They share all that is about the place and the provider with Store, and nothing
// of its patience: a PUT is sent once, on connections of their own, over HTTP/1,
// and what an answer means is in the comment of [Records.Write].
//
// An error whose cause the store names, or that tells what is wrong with the settings,
// has a method Advice() string that says what to do, for programs that talk to people.
//
// Secrets are in no error, no log record, and no printed or marshalled Config.
package s3
