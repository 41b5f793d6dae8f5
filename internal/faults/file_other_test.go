//go:build faults && !linux

package faults

func runAsChild() {}
