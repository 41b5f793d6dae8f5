package query

import (
	"bytes"
	"strings"
	"testing"
)

// fields are those of the lines of CSV, as RFC 4180 has them. A field that was not quoted
// and is empty is NULL.
func fields(t testing.TB, csv string) (lines [][]any) {
	t.Helper()
	for csv != "" {
		var line []any
		for more := true; more; {
			var field any
			if strings.HasPrefix(csv, `"`) {
				field, csv = quotedField(t, csv[1:])
			} else {
				n := strings.IndexAny(csv, ",\n")
				if field = csv[:n]; n == 0 {
					field = nil
				}
				csv = csv[n:]
			}
			line = append(line, field)
			more = csv[0] == ','
			csv = csv[1:]
		}
		lines = append(lines, line)
	}
	return lines
}

func quotedField(t testing.TB, csv string) (field, rest string) {
	t.Helper()
	for {
		before, after, ok := strings.Cut(csv, `"`)
		if !ok {
			t.Fatalf("a quotation mark is missing after %.40q", csv)
		}
		if field += before; !strings.HasPrefix(after, `"`) {
			return field, after
		}
		field, csv = field+`"`, after[1:]
	}
}

// Each of the hundred values is one field, which is the text of the value; NULL and the
// empty text can be told apart.
func TestValuesInCSV(t *testing.T) {
	var b bytes.Buffer
	w := NewCSV(&b)
	if err := w.Begin([]string{"v", "end"}); err != nil {
		t.Fatal(err)
	}
	for _, v := range values() {
		if err := w.Row([]any{v, "|"}); err != nil {
			t.Fatal(err)
		}
	}
	lines := fields(t, b.String())
	if len(lines) != len(values())+1 {
		t.Fatalf("%d lines for %d values", len(lines), len(values()))
	}
	for i, v := range values() {
		want := any(Text(v))
		if text, isText := v.(string); isText {
			want = text
		}
		if v == nil {
			want = nil
		}
		if line := lines[i+1]; len(line) != 2 || line[0] != want || line[1] != "|" {
			t.Errorf("%.40q: %.80q", v, line)
		}
	}
}
