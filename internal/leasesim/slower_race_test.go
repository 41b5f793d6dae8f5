//go:build race

package leasesim

const slower = 10
