//go:build linux || freebsd

package cli

const kernelEndsChildren = true
