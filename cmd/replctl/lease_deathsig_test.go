//go:build linux || freebsd

package main

const kernelEndsChildren = true
