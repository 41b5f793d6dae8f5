//go:build unix && !linux && !freebsd

package main

const kernelEndsChildren = false
