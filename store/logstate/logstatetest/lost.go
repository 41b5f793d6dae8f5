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

// testLostAnswers: the answer to a Set is lost, or is a refusal because a proxy has
// repeated the request, and other witnesses set their checkpoints before it can be read
// back. Set says what is true, and Aborted only where nothing was written. A write
// that may not survive a crash stays unknown.
func testLostAnswers(t *testing.T, h Harness) {
	for _, c := range []struct {
		fault castest.Fault
		want  codes.Code
	}{{castest.AppliedThenFail, codes.OK}, {castest.LostBefore, codes.Aborted}, {castest.NotDurable, codes.Unknown}} {
		for _, before := range []string{"", "one"} {
			for others := 1; others <= 3; others++ {
				t.Run(fmt.Sprintf("fault %d over %q, then %d", c.fault, before, others), func(t *testing.T) {
					open := h.Records(t)
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
