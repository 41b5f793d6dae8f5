//go:build faults

package faults

import (
	"os"
	"strings"
	"testing"
)

// TestPageIsComplete fails when docs/faults.md lacks an operation, a command, a kind of failure or
// an exemption: make faults writes it anew.
func TestPageIsComplete(t *testing.T) {
	b, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	want := func(what, text string) {
		if !strings.Contains(page, text) {
			t.Errorf("docs/faults.md has no %s %q", what, strings.TrimSpace(text))
		}
	}
	for _, op := range operations {
		want("operation", "\n"+op.name+" ")
	}
	for _, c := range Commands {
		want("command", "\n"+c.Op()+" ")
	}
	for _, k := range Kinds {
		want("kind of failure", "| "+k.Name+" |")
	}
	for _, x := range Exemptions {
		want("exemption", x.Why)
	}
}
