package probe_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/probe"
)

// A store that answers yes to every write, whatever its condition, is found out.
func Example() {
	ctx, opts := context.Background(), probe.Options{Rounds: 4, Writers: 4}
	memory := new(cas.Memory)
	for name, store := range map[string]cas.Store{"conformant": memory, "careless": careless{memory}} {
		// A leaser has one of its store: file.NewLeaser(dir).ProbeTarget()
		target := probe.Target{Records: func(context.Context) (cas.Store, error) { return store, nil }}
		report, err := probe.Run(ctx, target, opts)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, report.Verdict, errors.Is(report.Err(), probe.ErrViolation), len(report.Left))
	}
	// Unordered output:
	// conformant conformant false 0
	// careless violation true 0
}

// careless ignores conditions.
type careless struct{ *cas.Memory }

func (s careless) Write(ctx context.Context, key string, value []byte, _ cas.Token) (cas.Written, error) {
	for {
		now, err := s.Read(ctx, key, "")
		if err != nil {
			return cas.Written{}, err
		}
		written, err := s.Memory.Write(ctx, key, value, now.Token)
		if !errors.Is(err, cas.ErrConflict) {
			return written, err
		}
	}
}
