package logstatetest

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/logstate"
)

// testDataLoss: what is no checkpoint, or was cut short or changed, is not taken for
// one, nor replaced.
func testDataLoss(t *testing.T, h engine) {
	store := h.records(t)()
	s := logstate.New(store)
	set(t, s, "log", "one")
	whole, err := store.Read(t.Context(), "logstate/log", "")
	if err != nil || !whole.Exists() {
		t.Fatalf("the record of a log: %v, %v", whole.Exists(), err)
	}
	changed := append([]byte{}, whole.Value...)
	changed[len(changed)-1]++
	for what, value := range map[string][]byte{
		"cut short": whole.Value[:len(whole.Value)-1], "without a checkpoint": whole.Value[:len(whole.Value)-3],
		"empty": {}, "changed": changed,
	} {
		now, err := store.Read(t.Context(), "logstate/log", "")
		if err == nil {
			_, err = store.Write(t.Context(), "logstate/log", value, now.Token)
		}
		if err != nil {
			t.Fatal(err)
		}
		ro, err := s.ReadOps("log")
		if err != nil {
			t.Fatal(err)
		}
		_, err = ro.GetLatest()
		wantCode(t, "GetLatest of a record that is "+what, err, codes.DataLoss)
		wantCode(t, "Set over a record that is "+what, begin(t, s, "log").Set([]byte("two")), codes.DataLoss)
		_, err = s.Latest("log")
		wantCode(t, "Latest of a record that is "+what, err, codes.DataLoss)
	}
}

// testLostAnswers: the answer to a Set is lost, or is a refusal because a proxy has
// repeated the request, and other witnesses set their checkpoints before it can be read
// back. Set says what is true, and Aborted only where nothing was written. A write
// that may not survive a crash stays unknown.
func testLostAnswers(t *testing.T, h engine) {
	for _, c := range []struct {
		fault castest.Fault
		want  codes.Code
	}{{castest.AppliedThenFail, codes.OK}, {castest.LostBefore, codes.Aborted}, {castest.NotDurable, codes.Unknown}} {
		for _, before := range []string{"", "one"} {
			for others := 1; others <= 3; others++ {
				t.Run(fmt.Sprintf("fault %d over %q, then %d", c.fault, before, others), func(t *testing.T) {
					open := h.records(t)
					if before != "" {
						set(t, logstate.New(open()), "log", before)
					}
					rival := logstate.New(open())
					err := begin(t, logstate.New(castest.Crowded(open(), "", 1, c.fault, func() {
						for range others {
							set(t, rival, "log", "of a rival")
						}
					})), "log").Set([]byte("mine"))
					unknown := errors.Is(err, cas.ErrIndeterminate)
					if status.Code(err) != c.want || unknown != (c.want == codes.Unknown) {
						t.Errorf("Set: %v with code %v, want %v", err, status.Code(err), c.want)
					}
				})
			}
		}
	}
}

// testFaultyWriters: with requests and answers lost, too.
func testFaultyWriters(t *testing.T, h engine) {
	open := h.records(t)
	faulty := func(i int) logstate.LogStatePersistence {
		return logstate.New(castest.NewFaulty(open(), uint64(i)))
	}
	applied, unknown := growing(t, h.rounds(), faulty, logstate.New(open()))
	if len(applied) == 0 {
		t.Error("no checkpoint got through")
	}
	wantLines(t, logstate.New(open()), applied, unknown)
}
