//go:build !race

package verbs_test

import "os"

// damageRounds is how many objects a test of damage hurts in each replica: make damage hurts more.
var damageRounds = func() int {
	if os.Getenv("REPLICATE_DAMAGE") == "all" {
		return 1000
	}
	return 100
}()
