package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/testreplica"
)

// TestPlanInsideCompacted: a moment that no file ends with is said to be one, with the
// states on both sides, by plan and by restore, to people and in JSON.
func TestPlanInsideCompacted(t *testing.T) {
	const before, next = "0000000000000009", "0000000000000011" // level 1 has 0xa to 0x11 in one file
	replica := testreplica.Copy(t, "v0.5")
	at := []string{"--timestamp", "2026-11-21T04:05:52.5Z"}
	for name, args := range map[string][]string{
		"plan":    {"plan", replica},
		"restore": {"restore", replica, "-o", filepath.Join(t.TempDir(), "db")},
	} {
		code, _, stderr := replctl(t, append(args, at...)...)
		if code != exitOK || !strings.Contains(stderr, "note: ") || !strings.Contains(stderr, before) ||
			!strings.Contains(stderr, next) {
			t.Errorf("%s: exit code %d\n%s", name, code, stderr)
		}
	}
	if p := ask[planDocument](t, append([]string{"plan", replica}, at...)...); *p.State.TXID != before || p.Next == nil ||
		*p.Next.TXID != next || len(p.Notes) != 1 {
		t.Errorf("plan --json: %+v", p)
	}
	out := filepath.Join(t.TempDir(), "db")
	if r := ask[restoreDocument](t, append([]string{"restore", replica, "-o", out}, at...)...); *r.State.TXID != before ||
		r.Next == nil || *r.Next.TXID != next || len(r.Notes) != 1 {
		t.Errorf("restore --json: %+v", r)
	}
}
