// Package transport carries requests to one store of S3's protocol, and their answers back:
// the SDK's client, set up for the provider; credentials, which are looked at before they
// sign anything; bounds on what an answer may take of memory; attempts that are repeated
// while they may succeed, ended when nothing moves, and told of when they take long.
//
// It knows nothing of objects: what a request is for, and what its answer means for the
// caller, is for package s3.
package transport
