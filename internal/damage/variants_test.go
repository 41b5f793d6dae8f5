// Package damage makes damaged replicas out of the sound ones in testdata, each
// in one known way.
//
// What it makes is committed under testdata/damaged, so that a person can point
// replctl at it; a test here makes it all again and compares. Tests of other
// packages read the committed variants: testreplica.Damaged lists them.
package damage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/replctl/replicate/internal/testreplica"
)

// variant is one way in which a replica can be damaged.
type variant struct {
	Name     string
	Base     string // the replica below testdata that it starts from
	And      string // a second one, put into the same root; or ""
	Describe string
	Want     testreplica.Severity

	// Apply damages the replica in root, in place, and returns the keys of the
	// objects that it damaged, removed or added. It takes the whole base as
	// well as what [variant.build] leaves of it.
	Apply func(root string) (objects []string, err error)
}

// variants are all there are, by name.
func variants() []variant {
	return append(append(ltxVariants(), v3Variants()...), variant{
		Name: "both-formats", Base: "v0.5", And: "v0.3", Want: testreplica.None,
		Describe: "an LTX replica and a v0.3 backup in one root, as an upgrade in place leaves them",
		Apply:    func(string) ([]string, error) { return []string{}, nil },
	})
}

// build makes the variant in root, which must not exist, from the replicas in
// testdata. To keep it small it starts from a part of the base, what retention
// might have left: the newest generation, the last two snapshots, and what is
// needed after them.
func (v variant) build(testdata, root string) (testreplica.Damage, error) {
	report := testreplica.Damage{
		Name: v.Name, Base: strings.Trim(v.Base+"+"+v.And, "+"), Description: v.Describe, Want: v.Want,
	}
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
