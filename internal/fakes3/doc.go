// Package fakes3 is an S3 server for tests, in memory, that counts what it is
// asked and misbehaves when it is told to.
//
//	srv := fakes3.New(t)
//	srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Times: 2, Fault: fakes3.Status(503, "SlowDown")})
//	...
//	n := srv.Count("PutObject")
//
// Underneath is gofakes3. What it does unlike S3, and matters here, is put
// right: a new object does not inherit the metadata of the one it replaces,
// If-Match works on GET and answers 404 for a missing key on PUT, the completion
// of an upload honours If-None-Match, an object has one ETag and not two, SSE-C
// objects cannot be read without their key, unknown access keys are refused, and
// so are aws-chunked bodies, as by most stores that are not Amazon's.
//
// A request is read whole, then applied under one lock, then answered; so
// requests are atomic, and a fault can do anything to the answer.
package fakes3
