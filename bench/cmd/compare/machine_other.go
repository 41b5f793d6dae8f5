//go:build !linux

package main

func cpuModel() string { return "" }

func filesystemOf(string) string { return "" }
