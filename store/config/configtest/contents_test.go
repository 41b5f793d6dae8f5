package configtest

import (
	"bytes"
	"context"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
)

// testContents: a deleted snapshot takes its content with it, and its log where the store
// can delete; and of many savers of a version those that were too late leave none.
func testContents(t *testing.T, h engine) {
	records := h.records(t)
	_, deletes := records().(cas.Deleter)
	save(t, over(records()), "v1", "v2", "v3")
	activate(t, over(records()), "v2")
	wantBytes(t, records(), 3)
	for range 2 {
		logApply(t, over(records()), "i1", "v1", config.Applied)
		logApply(t, over(records()), "i1", "v2", config.Applied)
		check(t, "ResetApplyLog", over(records()).ResetApplyLog(t.Context(), fleet, "v1"))
		logApply(t, over(records()), "i2", "v1", config.Applied)
		wantDeleted(t, over(records()), soon(), 2)
		wantBytes(t, records(), 1)
		if deletes {
			wantRecords(t, records(), "config/contents/", 1)
			wantRecords(t, records(), "config/applied/", 1)
		}
		for _, version := range []string{"v1", "v3"} {
			castest.Race(8, func(int) {
				if err := over(records()).SaveSnapshot(t.Context(), fleet, version, contentOf(version)); err != nil {
					t.Errorf("SaveSnapshot: %v", err)
				}
			})
		}
		wantBytes(t, records(), 3)
	}
}

func wantRecords(t *testing.T, s cas.Store, prefix string, want int) {
	t.Helper()
	got := 0
	for _, err := range s.List(t.Context(), prefix, "") {
		check(t, "List", err)
		got++
	}
	if got != want {
		t.Errorf("%d records are below %s, want %d", got, prefix, want)
	}
}

// wantBytes checks how many contents there are still.
func wantBytes(t *testing.T, s cas.Store, want int) {
	t.Helper()
	if got := contents(t.Context(), t, s); got != want {
		t.Errorf("%d contents are in the store, want %d", got, want)
	}
}

func contents(ctx context.Context, t *testing.T, s cas.Store) (n int) {
	t.Helper()
	for e, err := range s.List(ctx, "config/contents/", "") {
		check(t, "List", err)
		r, err := s.Read(ctx, e.Key, "")
		check(t, "Read", err)
		if bytes.Contains(r.Value, []byte("content of ")) {
			n++
		}
	}
	return n
}
