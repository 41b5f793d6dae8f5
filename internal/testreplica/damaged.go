package testreplica

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Severity is what a checker should make of a damaged replica.
type Severity string

// The severities, from harmless to not.
const (
	None    Severity = "none"    // nothing is wrong
	Warning Severity = "warning" // something does not belong here; everything can be restored
	Error   Severity = "error"   // something cannot be restored
)

// Damage is the damage.json beside the replica "damaged/" + Name.
type Damage struct {
	Name        string   `json:"name"`
	Base        string   `json:"base"`    // the sound replica that it was made from
	Objects     []string `json:"objects"` // keys of the objects that were damaged, removed or added
	Description string   `json:"description"`
	Want        Severity `json:"want"`
}

// Damaged lists the committed damaged replicas, which package damage makes.
func Damaged(t testing.TB) []Damage {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(Root(t), "damaged", "*", "damage.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %d damaged replicas: %v", len(paths), err)
	}
	all := make([]Damage, len(paths))
	for i, path := range paths {
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, &all[i])
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return all
}
