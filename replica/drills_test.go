package replica_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/replica"
)

func FuzzParseDrills(f *testing.F) {
	for _, seed := range []string{
		``, `[]`, `null`, `{}`, `[{}]`, `[{"time":"2026-11-30T00:00:00Z","outcome":"passed","moments":5}]`,
		`[{"time":"x"}]`, `[null]`, strings.Repeat(" ", 65<<10),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		drills, err := replica.ParseDrills(data)
		if err != nil {
			return
		}
		if len(drills) > replica.MaxDrills {
			t.Fatalf("%d drills", len(drills))
		}
		again, err := json.Marshal(drills)
		if err != nil {
			return // a time that JSON has not
		}
		if _, err := replica.ParseDrills(again); err != nil && len(again) < 60<<10 {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

func TestReadDrills(t *testing.T) {
	store := blob.NewMemory()
	files := &replica.Files{Store: store}
	if got, err := files.ReadDrills(t.Context()); len(got) > 0 || err != nil {
		t.Errorf("no record: %v, %v", got, err)
	}
	for content, good := range map[string]bool{
		`[{"time":"2026-11-30T00:00:00Z","outcome":"passed","moments":5}]`: true, `{`: false, `[{}]`: false,
		strings.Repeat(" ", 65<<10): false,
	} {
		_, err := store.Write(t.Context(), replica.DrillsKey, strings.NewReader(content), blob.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := files.ReadDrills(t.Context()); (err == nil) != good || good && got[0].Moments != 5 {
			t.Errorf("%.40s: %v, %v", content, got, err)
		}
	}
}
