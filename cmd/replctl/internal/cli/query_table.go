package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/replctl/replicate/sqlite/query"
)

// resultTable writes results for people. It looks at the first rows to choose the widths of the columns,
// and then writes row after row, so that a result of any length takes little memory. On a terminal
// that is too narrow, each row is a list of names and values.
type resultTable struct {
	app     *app
	w       io.Writer
	results int

	columns []string
	width   []int
	number  []bool     // the columns in which the first rows have numbers only
	first   [][]string // rows that are not yet written
	list    bool
	rows    int
}

const widthRows = 500 // rows that choose the widths

func newTable(a *app, w io.Writer) *resultTable { return &resultTable{app: a, w: w} }

// Begin implements query.Writer.
func (t *resultTable) Begin(columns []string) error {
	t.columns, t.first, t.rows, t.list = nil, nil, 0, false
	t.width, t.number = make([]int, len(columns)), make([]bool, len(columns))
	for i, name := range columns {
		t.columns = append(t.columns, harmless(name))
		t.width[i], t.number[i] = text.StringWidth(t.columns[i]), true
	}
	return nil
}

// Row implements query.Writer.
func (t *resultTable) Row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = cell(v)
	}
	if t.rows++; t.rows > widthRows {
		return t.write(cells)
	}
	for i, v := range values {
		t.width[i] = max(t.width[i], text.StringWidth(cells[i]))
		if _, isText := v.(string); isText {
			t.number[i] = false
		}
		if _, isBlob := v.([]byte); isBlob {
			t.number[i] = false
		}
	}
	t.first = append(t.first, cells)
	if t.rows == widthRows {
		return t.flush()
	}
	return nil
}

// End implements query.Writer.
func (t *resultTable) End() error {
	if err := t.flush(); err != nil {
		return err
	}
	if t.rows == 0 && len(t.columns) > 0 {
		t.app.talk("no rows")
	}
	return nil
}

// flush writes the header and the first rows.
func (t *resultTable) flush() error {
	first := t.first
	t.first = nil
	if len(first) == 0 {
		return nil
	}
	if t.results++; t.results > 1 {
		if _, err := io.WriteString(t.w, "\n"); err != nil {
			return err
		}
	}
	total := -2
	for _, w := range t.width {
		total += w + 2
	}
	terminal := terminalWidth(t.app.stdout)
	if t.list = terminal > 0 && total > terminal; !t.list {
		if err := t.write(t.columns); err != nil {
			return err
		}
	}
	for _, row := range first {
		if err := t.write(row); err != nil {
			return err
		}
	}
	return nil
}

func (t *resultTable) write(cells []string) error {
	var b strings.Builder
	if t.list {
		t.writeList(&b, cells)
	} else {
		t.writeLine(&b, cells)
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

func (t *resultTable) writeLine(b *strings.Builder, cells []string) {
	var line strings.Builder
	for i, c := range cells {
		pad := strings.Repeat(" ", max(t.width[i]-text.StringWidth(c), 0))
		if t.number[i] {
			line.WriteString(pad + c + "  ")
		} else {
			line.WriteString(c + pad + "  ")
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

func (t *resultTable) writeList(b *strings.Builder, cells []string) {
	widest := 0
	for _, name := range t.columns {
		widest = max(widest, text.StringWidth(name))
	}
	for i, c := range cells {
		name := t.columns[i] + strings.Repeat(" ", widest-text.StringWidth(t.columns[i]))
		b.WriteString(strings.TrimRight(name+"  "+c, " ") + "\n")
	}
	b.WriteString("\n")
}

// cell is a value on one line, without anything that a terminal obeys. Of a long blob it is the
// beginning.
func cell(v any) string {
	const most = 32 // bytes of a blob
	switch v := v.(type) {
	case nil:
		return "NULL"
	case string:
		return harmless(v)
	case []byte:
		if len(v) > most {
			return fmt.Sprintf("X'%X...' (%s)", v[:most], size(int64(len(v))))
		}
	}
	return query.Text(v)
}
