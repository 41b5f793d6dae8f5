package mutant_test

import (
	"os"
	"testing"

	"github.com/replctl/replicate/internal/mutant"
)

// TestCaught: a suite that finds the bug.
func TestCaught(t *testing.T) {
	mutant.MustFail(t, func(t *testing.T) { t.Error("found") })
	t.Run("in a subtest", func(t *testing.T) {
		mutant.MustFail(t, func(t *testing.T) {
			t.Run("Careless", func(*testing.T) {})
			t.Run("Careful", func(t *testing.T) { t.Error("found") })
		}, "Careless", "Careful")
	})
}

// TestSurvivor: a suite that does not find the bug, or crashes, or finds another,
// is itself a mutant that must be caught.
func TestSurvivor(t *testing.T) {
	for name, suite := range map[string]func(t *testing.T){
		"passes":              func(t *testing.T) { t.Run("Sub", func(*testing.T) {}) },
		"has no such test":    func(*testing.T) {},
		"crashes":             func(t *testing.T) { t.Run("Sub", func(*testing.T) { panic("crash") }) },
		"exits":               func(t *testing.T) { t.Run("Sub", func(*testing.T) { os.Exit(1) }) },
		"fails outside":       func(t *testing.T) { t.Run("Sub", func(*testing.T) {}); t.Error("something else") },
		"fails somewhere":     func(t *testing.T) { t.Run("Other", func(t *testing.T) { t.Error("not asked for") }) },
		"fails with a suffix": func(t *testing.T) { t.Run("Subtle", func(t *testing.T) { t.Error("not asked for") }) },
	} {
		t.Run(name, func(t *testing.T) {
			mutant.MustFail(t, func(t *testing.T) {
				t.Run("Inner", func(t *testing.T) { mutant.MustFail(t, suite, "Sub") })
			}, "Inner")
		})
	}
}
