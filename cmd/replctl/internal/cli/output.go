package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/replctl/replicate/internal/durable"
)

// terminalWidth is the width of w if it is a terminal, and 0 otherwise.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	// Serial consoles say that they have no columns.
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width == 0 {
		return 80
	}
	return width
}

// colour reports whether to use colours: on a terminal that has them, unless the
// user asks for none (https://no-color.org).
func (a *app) colour() bool {
	return terminalWidth(a.stdout) > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (a *app) paint(s string, colours ...text.Color) safe {
	s = harmless(s)
	if !a.colour() {
		return safe(s)
	}
	return safe(text.Colors(colours).EscapeSeq() + s + text.Colors{text.Reset}.EscapeSeq())
}

// grid is a table without lines, for eyes and for cut and awk alike. It never
// cuts a value: on a terminal too narrow for it, whole columns are left out.
type grid struct {
	table.Writer
	right      []string // columns of numbers
	hidden     []string // columns that do not apply
	expendable []string // columns to leave out, the first first
}

func newGrid(header ...string) *grid {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatUpper
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	w.AppendHeader(cells(header...))
	return &grid{Writer: w}
}

// cells is a row of them.
func cells[T any](values ...T) table.Row {
	row := table.Row{}
	for _, v := range values {
		row = append(row, v)
	}
	return row
}

func (g *grid) add(values ...any) { g.AppendRow(harmlessArgs(values)) }

// render renders the grid in up to width columns; 0 is any number.
func (g *grid) render(width int) safe {
	out := g.without(g.hidden)
	for i := range g.expendable {
		if width == 0 || text.LongestLineLen(out) <= width {
			break
		}
		left := g.expendable[:i+1]
		out = g.without(slices.Concat(g.hidden, left)) + fmt.Sprintf("\n(no room for: %s)", strings.Join(left, ", "))
	}
	return safe(out)
}

func (g *grid) without(hidden []string) string {
	var configs []table.ColumnConfig
	for _, name := range g.right {
		configs = append(configs, table.ColumnConfig{
			Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight, Hidden: slices.Contains(hidden, name),
		})
	}
	for _, name := range hidden {
		if !slices.Contains(g.right, name) {
			configs = append(configs, table.ColumnConfig{Name: name, Hidden: true})
		}
	}
	g.SetColumnConfigs(configs)
	return g.Render()
}

// wrap breaks s at spaces into lines of up to width columns, and indents them;
// width 0 is one line.
func wrap(s, indent string, width int) string {
	if width <= len(indent)+20 {
		return indent + s
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case line == "":
			line = word
		case len(indent)+len(line)+1+len(word) > width:
			lines = append(lines, indent+line)
			line = word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, indent+line), "\n")
}

// print prints text for people. It makes line breaks and controls in its arguments
// harmless, unless they are safe.
func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format, harmlessArgs(args)...)
	return err
}

func (a *app) printGrid(g *grid) error {
	return a.print("%s\n", g.render(terminalWidth(a.stdout)))
}

func (a *app) printJSON(v any) error {
	return a.encode(v, "  ")
}

// printJSONLine is printJSON on one line, for one document of several.
func (a *app) printJSONLine(v any) error { return a.encode(v, "") }

func (a *app) encode(v any, indent string) error {
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetIndent("", indent)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := a.stdout.Write(harmlessJSON(doc.Bytes()))
	return err
}

// talking is held while something is written to standard error.
var talking sync.Mutex

// talk writes to standard error, for people. Several goroutines may talk.
func (a *app) talk(format string, args ...any) {
	talking.Lock()
	defer talking.Unlock()
	_, _ = fmt.Fprintln(a.stderr, harmless(fmt.Sprintf(format, args...)))
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func stampAgo(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return stamp(t) + " (" + humanize.Time(t) + ")"
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}

// writeFile makes a file that is there with all that write writes, synced, or not at all. An exclusive one
// replaces no other.
func writeFile(file string, perm fs.FileMode, exclusive bool, write func(io.Writer) error) error {
	dir, err := durable.OpenRoot(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	temp, err := durable.CreateTemp(dir, perm)
	if err != nil {
		return err
	}
	defer temp.Abort()
	if err := write(temp); err != nil {
		return err
	}
	if err := temp.Publish(filepath.Base(file), time.Time{}, exclusive); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
