// Package race tells tests whether the race detector is on, which makes everything ten times
// slower, and finds in few rounds what it finds in many.
package race

// Pick returns racing if the race detector is on, and usual if not.
func Pick[T any](usual, racing T) T {
	if enabled {
		return racing
	}
	return usual
}
