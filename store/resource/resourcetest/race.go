package resourcetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/resource"
)

const racers = 8

// testCreateRace: one creates, over many handles, and over one.
func testCreateRace(t *testing.T, h Harness) {
	open := handles(t, h.New)
	one := open()
	for round := range h.rounds(20) {
		r := with(fmt.Sprintf("x%d", round), "")
		winners := 0
		for i, err := range castest.Results(racers, func(i int) error {
			b, r := one, *r
			if i%2 == 0 {
				b = open()
			}
			r.Data = []byte(strconv.Itoa(i))
			_, err := b.WriteCAS(t.Context(), &r)
			return err
		}) {
			if err == nil {
				winners++
				wantSame(t, "the winner's data", string(read(t, one, r.ID).Data), strconv.Itoa(i))
			} else {
				wantIs(t, "a loser", err, resource.ErrCASFailure)
			}
		}
		if winners != 1 {
			t.Fatalf("round %d: %d writers won", round, winners)
		}
	}
}

// increment adds one, and goes on until that is known to have happened, or not to be
// known. Reads that fail are repeated.
func increment(ctx context.Context, b resource.Backend, id resource.ID) (version string, err error) {
	for {
		r, err := b.Read(ctx, resource.Eventual, id)
		if errors.Is(err, castest.ErrInjected) || errors.Is(err, resource.ErrNotFound) {
			continue // such a read may be from before the resource was there
		} else if err != nil {
			return "", err
		}
		n, err := strconv.Atoi(string(r.Data))
		if err != nil {
			return "", fmt.Errorf("torn resource: %w", err)
		}
		r.Data = []byte(strconv.Itoa(n + 1))
		switch stored, err := b.WriteCAS(ctx, r); {
		case err == nil:
			return stored.Version, nil
		case errors.Is(err, resource.ErrCASFailure),
			errors.Is(err, castest.ErrInjected) && errors.Is(err, resource.ErrInconsistent):
		default:
			return "", err
		}
	}
}

func total(t *testing.T, b resource.Backend, id resource.ID) int {
	t.Helper()
	n, err := strconv.Atoi(string(read(t, b, id).Data))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testIncrements: every increment is in the sum once, and versions are unique.
func testIncrements(t *testing.T, h Harness) {
	open := handles(t, h.Small)
	id := write(t, open(), with("counter", "0")).ID
	each := h.rounds(200)
	seen := map[string]bool{}
	for _, versions := range castest.Results(racers, func(int) (versions []string) {
		b := open()
		for range each {
			version, err := increment(t.Context(), b, id)
			if err != nil {
				t.Errorf("increment: %v", err)
				return nil
			}
			versions = append(versions, version)
		}
		return versions
	}) {
		last := 0
		for _, v := range versions {
			n, err := strconv.Atoi(v)
			if err != nil || n <= last || seen[v] {
				t.Errorf("version %q after %d, seen before: %v", v, last, seen[v])
			}
			last, seen[v] = n, true
		}
	}
	if got, want := total(t, open(), id), racers*each; got != want {
		t.Errorf("the sum is %d after %d increments", got, want)
	}
}

// testOneHandle: many callers of one handle, whose writes share records.
func testOneHandle(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	id := write(t, b, with("counter", "0")).ID
	each := h.rounds(50)
	castest.Race(2*racers, func(i int) {
		own := with(fmt.Sprintf("x%d", i), "")
		for range each {
			if _, err := increment(t.Context(), b, id); err != nil {
				t.Errorf("increment: %v", err)
			}
			stored, err := b.WriteCAS(t.Context(), own)
			if err != nil {
				t.Errorf("WriteCAS: %v", err)
			} else if err := b.DeleteCAS(t.Context(), stored.ID, stored.Version); err != nil {
				t.Errorf("DeleteCAS: %v", err)
			}
		}
	})
	if got, want := total(t, open(), id), 2*racers*each; got != want {
		t.Errorf("the sum is %d after %d increments", got, want)
	}
	wantSame(t, "List", names(list(t, open(), workload, anywhere, "")), []string{"counter"})
}
