// Package place finds out where a store of S3's protocol is, and whose it is, from what
// people write: the host of a URL, an endpoint with or without its scheme, a bucket in
// front of either, the ARN of an access point, the environment.
//
// A place has one name. Where two spellings would reach the same object by different keys,
// or different objects by what looks like one name, two leases on one replica would be
// held at a time, and both be valid. So spellings of one place become one, or are refused
// with the right one in the error.
//
// What the providers do differently is one table, in provider.go.
package place
