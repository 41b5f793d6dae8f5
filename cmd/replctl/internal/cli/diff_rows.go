package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/sqlite/query"
)

// diffStateJSON is one of the states of diff.
type diffStateJSON struct {
	URL    string    `json:"url"`
	Format string    `json:"format"`
	State  pointJSON `json:"state"`
	Notes  []string  `json:"notes"`
}

type schemaChangeJSON struct {
	Op     diff.Op `json:"op"`
	Type   string  `json:"type"`
	Name   string  `json:"name"`
	Table  string  `json:"table,omitempty"`
	Before string  `json:"before,omitempty"`
	After  string  `json:"after,omitempty"`
}

type pagesJSON struct {
	Changed int64 `json:"changed"`
	Total   int64 `json:"total"`
}

type countsJSON struct {
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
	Refused  string `json:"refused,omitempty"` // why the rows were not compared
}

func (m *database) diffState() diffStateJSON {
	d := m.document()
	return diffStateJSON{d.URL, d.Format, d.State, d.Notes}
}

// document prints all as one JSON object, row after row.
func (c *compared) document(ctx context.Context, w *bufio.Writer, withRows bool) error {
	changes := []schemaChangeJSON{}
	for _, s := range c.Schema {
		changes = append(changes, schemaChangeJSON(s))
	}
	out := &objectWriter{w: filter{w, harmlessJSON}}
	out.open("", '{')
	out.keys(struct {
		From   diffStateJSON      `json:"from"`
		To     diffStateJSON      `json:"to"`
		Schema []schemaChangeJSON `json:"schema"`
	}{c.from.diffState(), c.to.diffState(), changes})
	out.open("tables", '[')
	for _, t := range c.Tables {
		out.next()
		out.open("", '{')
		out.keys(struct {
			Name string `json:"name"`
		}{t.Name})
		n, err := c.countAndPrint(ctx, out, t, withRows)
		if err != nil {
			return err
		}
		out.keys(n)
		out.close('}')
	}
	out.close(']')
	out.keys(struct {
		Notes []string  `json:"notes"`
		Pages pagesJSON `json:"pages"`
		costJSON
	}{append([]string{}, c.Notes...), pagesJSON(c.Pages), c.cost()})
	out.close('}')
	out.raw("\n")
	return out.err
}

// countAndPrint counts the rows of a table that differ, and prints them if they are wanted.
func (c *compared) countAndPrint(
	ctx context.Context, out *objectWriter, t *diff.Table, withRows bool,
) (n countsJSON, err error) {
	if t.Refused != nil {
		n.Refused = t.Refused.Error()
		return n, nil
	}
	if withRows {
		out.open("rows", '[')
		defer out.close(']')
	}
	for r, err := range c.Rows(ctx, t) {
		if err != nil {
			return n, err
		}
		c.differs = true
		switch r.Op {
		case diff.Insert:
			n.Inserted++
		case diff.Update:
			n.Updated++
		case diff.Delete:
			n.Deleted++
		}
		if withRows {
			out.next()
			out.raw(string(rowJSON(nil, t, r)))
		}
		if out.err != nil {
			return n, out.err
		}
	}
	return n, nil
}

// rowJSON appends a row as a JSON object: op, key, and the columns before and after.
func rowJSON(b []byte, t *diff.Table, r diff.Row) []byte {
	b = fmt.Appendf(b, `{"op":%q,"key":`, r.Op)
	b = columnsJSON(b, t.Key, r.Key)
	if r.Before != nil {
		b = columnsJSON(append(b, `,"before":`...), t.From, r.Before)
	}
	if r.After != nil {
		b = columnsJSON(append(b, `,"after":`...), t.To, r.After)
	}
	return append(b, '}')
}

func columnsJSON(b []byte, names []string, values []any) []byte {
	b = append(b, '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(query.AppendJSON(b, names[i]), ':')
		b = query.AppendJSON(b, v)
	}
	return append(b, '}')
}

// lines prints a JSON object a line: the changes of the schema, then the rows, with their tables.
func (c *compared) lines(ctx context.Context, w io.Writer) error {
	out := filter{w, harmlessJSON}
	for _, s := range c.Schema {
		line, err := json.Marshal(schemaChangeJSON(s))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, `{"schema":%s}`+"\n", line); err != nil {
			return err
		}
	}
	var line []byte
	for _, t := range c.Tables {
		table := append(query.AppendJSON([]byte(`{"table":`), t.Name), ',')
		for r, err := range c.Rows(ctx, t) {
			if err != nil {
				return err
			}
			c.differs = true
			row := rowJSON(line[:0], t, r)
			if _, err := out.Write(table); err != nil {
				return err
			}
			if _, err := out.Write(append(row[1:], '\n')); err != nil {
				return err
			}
			line = row
		}
	}
	return nil
}

// print prints the rows for people.
func (c *compared) print(ctx context.Context, w io.Writer) error {
	var b strings.Builder
	flush := func() error {
		_, err := io.WriteString(w, b.String())
		b.Reset()
		return err
	}
	for _, s := range c.Schema {
		fmt.Fprintf(&b, "%s %s %s\n", marks[s.Op], s.Type, harmless(s.Name))
	}
	for _, t := range c.Tables {
		for r, err := range c.Rows(ctx, t) {
			if err != nil {
				return err
			}
			c.differs = true
			writeRow(&b, t, r)
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if !c.differs {
		c.app.talk("no differences")
	}
	return flush()
}

var marks = map[diff.Op]string{diff.Insert: "+", diff.Update: "~", diff.Delete: "-"}

// writeRow writes a row: its key on a line, and a column a line.
func writeRow(b *strings.Builder, t *diff.Table, r diff.Row) {
	fmt.Fprintf(b, "%s %s", marks[r.Op], harmless(t.Name))
	for i, v := range r.Key {
		fmt.Fprintf(b, " %s=%s", harmless(t.Key[i]), cell(v))
	}
	b.WriteString("\n")
	names, values := t.From, r.Before
	if r.Op != diff.Delete {
		names, values = t.To, r.After
	}
	width := 0
	for _, name := range names {
		width = max(width, text.StringWidth(harmless(name)))
	}
	was := map[int]string{} // of the columns that have changed
	if r.Op == diff.Update {
		for _, at := range t.Changed(r) {
			was[at[1]] = cell(r.Before[at[0]])
		}
	}
	for i, v := range values {
		name := harmless(names[i])
		name += strings.Repeat(" ", width-text.StringWidth(name))
		if before, ok := was[i]; ok {
			fmt.Fprintf(b, "  * %s  %s -> %s\n", name, before, cell(v))
		} else {
			fmt.Fprintf(b, "    %s  %s\n", name, cell(v))
		}
	}
}

// objectWriter writes a JSON document in pieces, whole tokens at a time. Once err is set, nothing more
// is written.
type objectWriter struct {
	w     filter
	comma bool // the next value needs one before it
	err   error
}

func (o *objectWriter) raw(s string) {
	if o.err == nil {
		_, o.err = io.WriteString(o.w, s)
	}
	o.comma = true
}

// next begins a value of an array, on a line of its own.
func (o *objectWriter) next() {
	if o.comma {
		o.raw(",")
	}
	o.raw("\n")
	o.comma = false
}

// open begins an object or an array, the value of a key if that is not empty.
func (o *objectWriter) open(key string, bracket byte) {
	if key != "" {
		o.next()
		o.raw(`"` + key + `":`)
	}
	o.raw(string(bracket))
	o.comma = false
}

func (o *objectWriter) close(bracket byte) { o.raw(string(bracket)) }

// keys writes the keys of a document.
func (o *objectWriter) keys(doc any) {
	b, err := json.Marshal(doc)
	if err != nil {
		o.err = err
		return
	}
	if o.comma {
		o.raw(",")
	}
	o.raw(string(bytes.TrimSuffix(b[1:], []byte("}"))))
}
