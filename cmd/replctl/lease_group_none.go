//go:build unix && !linux

package main

// onlyZombies cannot be told apart here: init buries them soon.
func onlyZombies(int) bool { return false }
