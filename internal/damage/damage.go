// Package damage makes damaged replicas out of the sound ones in testdata, each
// in one known way.
//
// What it makes is committed under testdata/damaged, so that a person can point
// replctl at it; a test here makes it all again and compares. Tests of other
// packages use the committed variants, or apply a variant to a copy of their own.
package damage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Severity is what a checker should make of a variant.
type Severity string

// The severities, from harmless to not.
const (
	None    Severity = "none"    // nothing is wrong
	Warning Severity = "warning" // something does not belong here; everything can be restored
	Error   Severity = "error"   // something cannot be restored
)

// Variant is one way in which a replica can be damaged.
type Variant struct {
	Name     string
	Base     string // the replica below testdata that it starts from
	And      string // a second one, put into the same root; or ""
	Describe string
	Want     Severity

	// Apply damages the replica in root, in place, and returns the keys of the
	// objects that it damaged, removed or added. It takes the whole base as
	// well as what [Variant.Build] leaves of it.
	Apply func(root string) (objects []string, err error)
}

// Report is the damage.json beside a variant's replica.
type Report struct {
	Name        string   `json:"name"`
	Base        string   `json:"base"`
	Objects     []string `json:"objects"`
	Description string   `json:"description"`
	Want        Severity `json:"want"`
}

// Variants are all there are, by name.
func Variants() []Variant {
	return append(append(ltxVariants(), v3Variants()...), Variant{
		Name: "both-formats", Base: "v0.5", And: "v0.3", Want: None,
		Describe: "an LTX replica and a v0.3 backup in one root, as an upgrade in place leaves them",
		Apply:    func(string) ([]string, error) { return []string{}, nil },
	})
}

// Build makes the variant in root, which must not exist, from the replicas in
// testdata. To keep it small it starts from a part of the base, what retention
// might have left: the newest generation, the last two snapshots, and what is
// needed after them.
func (v Variant) Build(testdata, root string) (Report, error) {
	report := Report{Name: v.Name, Base: strings.Trim(v.Base+"+"+v.And, "+"), Description: v.Describe, Want: v.Want}
	for _, base := range []string{v.Base, v.And} {
		if base == "" {
			continue
		}
		if err := os.CopyFS(root, os.DirFS(filepath.Join(testdata, base, "replica"))); err != nil {
			return report, fmt.Errorf("damage %s: %w", v.Name, err)
		}
	}
	err := reduceLTX(root)
	if err == nil {
		err = reduceV3(root)
	}
	if err == nil {
		report.Objects, err = v.Apply(root)
	}
	if err != nil {
		return report, fmt.Errorf("damage %s: %w", v.Name, err)
	}
	return report, nil
}
