//go:build !race

package verbs_test

// damageRounds is how many objects a test of damage hurts in each replica.
const damageRounds = 550
