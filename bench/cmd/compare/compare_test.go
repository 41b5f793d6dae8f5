package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/internal/fakes3"
)

// TestTiny runs everything there is on what is at hand, and looks at the shape of
// the results, not at the times.
func TestTiny(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	dir := t.TempDir()
	results := filepath.Join(dir, "results.json")
	var text strings.Builder
	args := []string{"-tiny", "-rounds", "1", "-json", results, "-dir", dir}
	args = append(args, "-endpoint", "fake="+srv.URL, "-bucket", srv.Bucket)
	if err := run(t.Context(), args, &text, io.Discard); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, b := range []source{{name: "file", kind: kindFile}, {name: "fake", kind: kindS3}} {
		for _, op := range chosen(operations(tiny), b.name, b.kind, regexp.MustCompile("")) {
			want = append(want, b.name+"/"+op.name)
		}
	}
	for _, res := range r.Results {
		got = append(got, res.Backend+"/"+res.Operation)
		checkResult(t, res)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	wantRequests(t, r)
	if !strings.Contains(text.String(), "\n### fake\n") || !strings.Contains(text.String(), "\n| lease-contended | ") {
		t.Errorf("printed:\n%s", &text)
	}
}

func checkResult(t *testing.T, res result) {
	t.Helper()
	name := res.Backend + "/" + res.Operation
	if res.Ours == nil || res.Ours.Seconds <= 0 || res.Ours.Worst < res.Ours.Seconds || res.Ours.Allocated == 0 {
		t.Errorf("%s: ours %+v", name, res.Ours)
	}
	lease := strings.HasPrefix(res.Operation, "lease-")
	if (res.Litestream == nil) != (lease && res.Backend == "file") || (res.Litestream != nil) != (res.Ratio > 0) {
		t.Errorf("%s: litestream %+v, ratio %v", name, res.Litestream, res.Ratio)
	}
	if (res.Floor != nil) != (res.FloorRatio > 0) {
		t.Errorf("%s: floor %+v, ratio %v", name, res.Floor, res.FloorRatio)
	}
	counted := res.Backend != "file" && res.Operation != "lease-handover" && res.Operation != "read-large-throttled"
	if got := len(res.Ours.Requests) > 0; got != counted {
		t.Errorf("%s: requests %v", name, res.Ours.Requests)
	}
}

// wantRequests: counts are exact.
func wantRequests(t *testing.T, r report) {
	t.Helper()
	got := make(map[string][2]string)
	for _, res := range r.Results {
		if res.Litestream != nil {
			got[res.Backend+"/"+res.Operation] = [2]string{res.Ours.Requests.String(), res.Litestream.Requests.String()}
		}
	}
	// Ours asks, after a deletion, whether the store has done it.
	for op, want := range map[string][2]string{
		"fake/write-small":     {"1 PUT", "1 PUT"},
		"fake/list-full":       {"1 LIST", "1 LIST"},
		"fake/read-page":       {"1 GET", "1 GET"},
		"fake/delete":          {"1 LIST, 1 POST", "1 POST"},
		"fake/lease-contended": {"1 GET", "1 GET"},
	} {
		if got[op] != want {
			t.Errorf("%s: requests %q, want %q", op, got[op], want)
		}
	}
}

// TestRestoresAgree: both sides have restored the same database.
func TestRestoresAgree(t *testing.T) {
	dir := t.TempDir()
	for _, op := range restores() {
		p := newDirectory(filepath.Join(dir, "file"), dir).place(op.name, tiny)
		if err := op.setup(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		ours, theirs := restoredBy(t, p.beside(op.name), ourRestore), restoredBy(t, p.beside(op.name), theirRestore)
		if !bytes.Equal(ours, theirs) {
			t.Errorf("%s: ours %d bytes, Litestream's %d, and not the same", op.name, len(ours), len(theirs))
		}
	}
}

func restoredBy(t *testing.T, p *place, restore func(context.Context, *place) (func(context.Context, string) error, error)) []byte {
	t.Helper()
	to := filepath.Join(t.TempDir(), "db")
	run, err := restore(t.Context(), p)
	if err == nil {
		err = run(t.Context(), to)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []int
		want   int
	}{{nil, 0}, {[]int{3}, 3}, {[]int{9, 1, 5}, 5}, {[]int{4, 1, 3, 2}, 2}} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median(%v): got %d, want %d", tc.values, got, tc.want)
		}
	}
}

func TestQuartiles(t *testing.T) {
	if got := quartilesOf(nil); got != nil {
		t.Errorf("of nothing: got %v", got)
	}
	for _, tc := range []struct {
		values []float64
		want   [2]float64
	}{{[]float64{3}, [2]float64{3, 3}}, {[]float64{5, 1, 4, 2, 3}, [2]float64{2, 4}}, {[]float64{8, 7, 6, 5, 4, 3, 2, 1}, [2]float64{3, 6}}} {
		if got := quartilesOf(tc.values); *got != tc.want {
			t.Errorf("quartiles of %v: got %v, want %v", tc.values, *got, tc.want)
		}
	}
}

// TestAnother: the rounds there have to be, more as long as there is time, and not
// without end.
func TestAnother(t *testing.T) {
	rounds := func(s sizes, start time.Time) (n int) {
		p := &place{size: s}
		for p.another(n+1, start) {
			n++
		}
		return n
	}
	now := time.Now()
	for what, got := range map[string][2]int{
		"no time":     {rounds(sizes{Rounds: 5}, now), 5},
		"time is up":  {rounds(sizes{Rounds: 5, Span: time.Second}, now.Add(-time.Minute)), 5},
		"enough time": {rounds(sizes{Rounds: 5, Span: time.Hour}, now), maxRounds},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d rounds, want %d", what, got[0], got[1])
		}
	}
}

func TestContent(t *testing.T) {
	const size = 3<<20 + 5
	all, err := io.ReadAll(newContent(1, 2, size).stream())
	if err != nil || len(all) != size {
		t.Fatalf("%d bytes, %v", len(all), err)
	}
	c := newContent(1, 2, size)
	for _, off := range []int64{0, 50, 99, 100, 1<<20 - 1, 2 << 20, size - 7} {
		got := make([]byte, 7)
		if n, err := c.ReadAt(got, off); n != len(got) || !bytes.Equal(got, all[off:off+7]) {
			t.Errorf("at %d: %d bytes, %x, %v, want %x", off, n, got, err, all[off:off+7])
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{{"extra"}, {"-rounds", "-1"}, {"-endpoint", "http://x"}, {"-ops", "("}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
