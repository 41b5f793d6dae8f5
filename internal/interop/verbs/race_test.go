//go:build race

package verbs_test

// damageRounds is how many objects a test of damage hurts in each replica. The race
// detector makes each ten times slower, and finds in few what it finds in many.
const damageRounds = 4
