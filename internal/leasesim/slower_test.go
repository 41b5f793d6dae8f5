//go:build !race

package leasesim

// slower is how much fewer histories there are under the race detector.
const slower = 1
