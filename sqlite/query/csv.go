package query

import (
	"io"
	"strings"
)

// NewCSV returns a writer of CSV as RFC 4180 has it, with the names of the columns first, and lines
// that end with "\n". NULL is an empty field, an empty string is "", other values are as [Text] has
// them. A statement without columns gives nothing, and an empty line stands between two results.
func NewCSV(w io.Writer) Writer { return &csvWriter{w: w} }

type csvWriter struct {
	w       io.Writer
	results int
	columns int
	line    []byte
}

func (c *csvWriter) Begin(columns []string) error {
	c.columns = len(columns)
	if c.columns == 0 {
		return nil
	}
	c.line = c.line[:0]
	if c.results++; c.results > 1 {
		c.line = append(c.line, '\n')
	}
	for i, name := range columns {
		c.field(i, name, name == "")
	}
	return c.end()
}

func (c *csvWriter) Row(values []any) error {
	c.line = c.line[:0]
	for i, v := range values {
		text, isText := v.(string)
		if !isText {
			text = Text(v)
		}
		c.field(i, text, isText && text == "")
	}
	return c.end()
}

func (c *csvWriter) field(i int, text string, quoted bool) {
	if i > 0 {
		c.line = append(c.line, ',')
	}
	if quoted || strings.ContainsAny(text, ",\"\r\n") || strings.TrimSpace(text) != text {
		text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	c.line = append(c.line, text...)
}

func (c *csvWriter) end() error {
	c.line = append(c.line, '\n')
	_, err := c.w.Write(c.line)
	return err
}

func (c *csvWriter) End() error { return nil }
