//go:build !race

package s3

// slower is how much slower than usual the fake server is.
const slower = 1
