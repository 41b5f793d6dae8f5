//go:build !unix

package main

func heedSignals() {}
