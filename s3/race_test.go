//go:build race

package s3

// slower is how much slower than usual the fake server is: under the race detector it takes a
// second to find the first byte of a large object.
const slower = 6
