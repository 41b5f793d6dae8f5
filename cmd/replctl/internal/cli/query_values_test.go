package cli

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/replctl/replicate/internal/testreplica"
)

// awkwardValues are a hundred values that a table, or the terminal, could stumble over.
func awkwardValues() []any {
	all := []any{
		nil, int64(0), int64(math.MaxInt64), int64(math.MinInt64), int64(1<<53 + 1), 0.0, -1.5, 1e300, math.Inf(1),
		math.Inf(-1), math.SmallestNonzeroFloat64, "", " ", "NULL", "a\nb", "a\r\nb", "\t", "\x1b[31mred", "\u202eleft",
		"\u2028", "\x7f", "\u009b2J", "\xff", "a\xc3", "\xed\xa0\x80", "日本語", "😀", "e\u0301", "a\x00b",
		strings.Repeat("x", 100_000), []byte{}, []byte{0}, []byte("text"), []byte{0xff, 0xfe},
		bytes.Repeat([]byte{7}, 70_000),
	}
	for r := rune(0); len(all) < 70; r++ {
		all = append(all, "before"+string(r)+"after")
	}
	for b := byte(0x80); len(all) < 100; b++ {
		all = append(all, string([]byte{'<', b, '>'}))
	}
	return all
}

// Each row of a table is one line with nothing that a terminal obeys, and the columns
// stand below each other.
func TestTableOfValues(t *testing.T) {
	var out bytes.Buffer
	table := newTable(&app{stdout: &out, stderr: &bytes.Buffer{}}, &out)
	values := awkwardValues()
	if err := table.Begin([]string{"value\x1b[0m", "end"}); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if err := table.Row([]any{v, "|"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.End(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(values)+1 {
		t.Fatalf("%d lines for %d values", len(lines), len(values))
	}
	for i, line := range lines[1:] {
		if line != harmless(line) {
			t.Errorf("%.40q: %.60q", values[i], line)
		}
		before, _, ok := strings.Cut(line, "|")
		if want := text.StringWidth(lines[1]) - 1; !ok || text.StringWidth(before) != want {
			t.Errorf("%.40q: the next column begins at %d, want %d", values[i], text.StringWidth(before), want)
		}
		if b, isBlob := values[i].([]byte); isBlob && !strings.Contains(line, fmt.Sprintf("X'%X", b[:min(len(b), 32)])) {
			t.Errorf("%.40q: %.100q", b, line)
		}
	}
}

// A result of 1,000 columns, in each form.
func TestManyColumns(t *testing.T) {
	replica := testreplica.Copy(t, "v0.5")
	columns := make([]string, 1000)
	for i := range columns {
		columns[i] = fmt.Sprintf("%d as c%d", i, i)
	}
	for flag, want := range map[string][]string{
		"--csv=true":   {"c0,c1,", ",c999\n0,1,2,", ",998,999\n"},
		"--jsonl=true": {`{"c0":0,"c1":1,`, `,"c999":999}`},
		"--json=true":  {`"columns":["c0","c1",`, `"c999"]`, ",998,999]"},
		"--csv=false":  {"c0  c1  c2", "  c999\n", "  999\n"},
	} {
		code, stdout, stderr := replctl(t, "query", replica, "select "+strings.Join(columns, ", "), flag)
		for _, part := range want {
			if code != exitOK || !strings.Contains(stdout, part) {
				t.Errorf("%s: exit code %d, no %q in %.100q: %s", flag, code, part, stdout, stderr)
			}
		}
	}
}
