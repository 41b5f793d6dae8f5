package logstatetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/logstate"
)

const racers = 8

// testFirstUseRace: of many first checkpoints one becomes the log's.
func testFirstUseRace(t *testing.T, h Harness) {
	open := h.New(t)
	for round := range h.rounds() {
		raceTransactions(t, open, fmt.Sprint("log ", round), "")
	}
}

// testNextRace: of many next checkpoints too.
func testNextRace(t *testing.T, h Harness) {
	open, latest := h.New(t), "start"
	set(t, open(), "log", latest)
	for range h.rounds() {
		latest = raceTransactions(t, open, "log", latest)
	}
}

// raceTransactions has racers read, and then all set at once; one wins.
func raceTransactions(t *testing.T, open func() logstate.LogStatePersistence, id, latest string) (next string) {
	t.Helper()
	errs, start := make([]error, racers), make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		w := begin(t, open(), id)
		wantRead(t, w, latest)
		wg.Go(func() {
			<-start
			errs[i] = w.Set([]byte(latest + fmt.Sprint(i)))
		})
	}
	close(start)
	wg.Wait()
	for i, err := range errs {
		switch {
		case err == nil && next != "":
			t.Errorf("log %q: two witnesses have set a checkpoint after %q", id, latest)
		case err == nil:
			next = latest + fmt.Sprint(i)
		default:
			wantCode(t, "a loser", err, codes.Aborted)
		}
	}
	if next == "" {
		t.Fatalf("log %q: nobody has set a checkpoint: %v", id, errs[0])
	}
	wantLatest(t, open(), id, next)
	return next
}

// A log grows by one line with each checkpoint, and a checkpoint is all of its
// lines, so that it says which ones it extends.

// grow sets a next checkpoint, starting over as often as another witness is faster.
func grow(s logstate.LogStatePersistence, line string) error {
	for {
		err := extend(s, line)
		if status.Code(err) != codes.Aborted || errors.Is(err, cas.ErrIndeterminate) {
			return err
		}
	}
}

func extend(s logstate.LogStatePersistence, line string) error {
	w, err := s.WriteOps("log")
	if err != nil {
		return err
	}
	latest, err := w.GetLatest()
	if err != nil && status.Code(err) != codes.NotFound {
		return err
	}
	if err := w.Set([]byte(string(latest) + line + "\n")); err != nil {
		return err
	}
	return w.Close()
}

// watch reads until stop is closed, and checks that each checkpoint extends the one
// before.
func watch(t *testing.T, s logstate.LogStatePersistence, stop <-chan struct{}) {
	r, err := s.ReadOps("log")
	if err != nil {
		t.Error(err)
		return
	}
	for last := ""; ; {
		select {
		case <-stop:
			return
		default:
		}
		got, err := r.GetLatest()
		if err != nil && status.Code(err) != codes.NotFound {
			t.Errorf("a reader: %v", err)
			return
		}
		if !strings.HasPrefix(string(got), last) {
			t.Errorf("rolled back: %q was there, and then %q", last, got)
		}
		last = string(got)
	}
}

// growing runs witnesses that grow one log, beside a reader, and returns which of
// their lines were set and of which that is not known.
func growing(
	t *testing.T, each int, witness func(i int) logstate.LogStatePersistence, reader logstate.LogStatePersistence,
) (applied, unknown map[string]bool) {
	applied, unknown = map[string]bool{}, map[string]bool{}
	var mu sync.Mutex
	var witnesses, readers sync.WaitGroup
	stop := make(chan struct{})
	readers.Go(func() { watch(t, reader, stop) })
	for i := range racers {
		witnesses.Go(func() {
			s := witness(i)
			for n := range each {
				line := fmt.Sprintf("%d.%d", i, n)
				err := grow(s, line)
				mu.Lock()
				switch {
				case err == nil:
					applied[line] = true
				case errors.Is(err, cas.ErrIndeterminate):
					unknown[line] = true
				case !errors.Is(err, castest.ErrInjected):
					t.Errorf("a witness: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	witnesses.Wait()
	close(stop)
	readers.Wait()
	return applied, unknown
}

// wantLines checks that what is known to be set is in the log, once, and nothing
// that is known not to be.
func wantLines(t *testing.T, s logstate.LogStatePersistence, applied, unknown map[string]bool) {
	t.Helper()
	r, err := s.ReadOps("log")
	if err != nil {
		t.Fatal(err)
	}
	latest, err := r.GetLatest()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(latest)) {
		line = strings.TrimSuffix(line, "\n")
		if seen[line] || !applied[line] && !unknown[line] {
			t.Errorf("%s is in the log: seen before %v, set %v", line, seen[line], applied[line])
		}
		seen[line] = true
	}
	for line := range applied {
		if !seen[line] {
			t.Errorf("%s was set, and is lost", line)
		}
	}
}

func testNoRollback(t *testing.T, h Harness) {
	open := h.New(t)
	each := h.rounds()
	applied, _ := growing(t, each, func(int) logstate.LogStatePersistence { return open() }, open())
	if got, want := len(applied), racers*each; got != want {
		t.Errorf("%d checkpoints were set, want %d", got, want)
	}
	wantLines(t, open(), applied, nil)
}
