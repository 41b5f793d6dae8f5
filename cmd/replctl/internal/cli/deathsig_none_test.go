//go:build unix && !linux && !freebsd

package cli

const kernelEndsChildren = false
