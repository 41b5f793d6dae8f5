package file_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/replctl/replicate/file"
)

// TestTwoProcessesOneName: processes that write the same file at once never mix;
// whoever reads gets one of the versions, whole.
func TestTwoProcessesOneName(t *testing.T) {
	dir := scratch(t)
	versions := make(map[int][]byte)
	var writers []*child
	for _, n := range []int{300_000, 7_000, 110_000} {
		data := ltxFile(1, n)
		versions[len(data)] = data
		writers = append(writers, startChild(t, "overwrite", dir, n, 200))
	}
	done := make(chan error, 1)
	go func() {
		var errs []error
		for _, w := range writers {
			errs = append(errs, w.wait())
		}
		done <- errors.Join(errs...)
	}()

	c := file.NewReplicaClient(dir)
	seen := make(map[int]bool)
	for running := true; running; {
		select {
		case err := <-done:
			must(t, err)
			running = false
		default:
		}
		data, err := readLTX(t, c, 0, 1)
		if err != nil && len(seen) == 0 {
			continue // not there yet
		}
		must(t, err)
		if !bytes.Equal(data, versions[len(data)]) {
			t.Fatalf("%d bytes that no process has written", len(data))
		}
		seen[len(data)] = true
	}
	t.Logf("%d of %d versions seen", len(seen), len(versions))
	wantNoTemps(t, dir)
}

// TestOneCreator: of the processes that create a key at once, one wins, and the
// key has its content.
func TestOneCreator(t *testing.T) {
	dir := scratch(t)
	const contenders, rounds = 4, 40
	var procs []*child
	for i := range contenders {
		p := startChild(t, "claim", dir, i)
		p.want("ready")
		procs = append(procs, p)
	}
	s := file.NewStore(dir, file.Options{})
	for round := range rounds {
		key := fmt.Sprintf("dir%d/key%d", round%3, round)
		for _, p := range procs {
			p.say(key)
		}
		var winners []int
		for i, p := range procs {
			switch line := p.line(); line {
			case "won":
				winners = append(winners, i)
			case "lost":
			default:
				t.Fatalf("contender %d: %q", i, line)
			}
		}
		if len(winners) != 1 {
			t.Fatalf("%s: contenders %v won, want one of them", key, winners)
		}
		rc, err := s.Open(t.Context(), key, 0, 0)
		must(t, err)
		got, err := io.ReadAll(rc)
		must(t, err)
		must(t, rc.Close())
		if want := fmt.Sprint(winners[0]); string(got) != want {
			t.Errorf("%s: contender %s won, but the content is %s's", key, want, got)
		}
	}
	for _, p := range procs {
		p.finish()
	}
	wantNoTemps(t, dir)
}
