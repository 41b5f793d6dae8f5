package query

import (
	"fmt"
	"io"
	"slices"
)

// JSON writes results as one JSON array, an element a result: {"columns":["a"],"rows":[[1],[2]]},
// with values as [AppendJSON] has them. It is a [Writer], and must be closed. Each call of its
// writer's Write has whole tokens.
type JSON struct {
	w     io.Writer
	began bool // the array
	rows  int  // of this result
	line  []byte
}

// NewJSON returns a writer of results as JSON.
func NewJSON(w io.Writer) *JSON { return &JSON{w: w} }

// Begin implements [Writer].
func (j *JSON) Begin(columns []string) error {
	b := j.line[:0]
	if j.began {
		b = append(b, ',')
	} else {
		b = append(b, '[')
	}
	j.began, j.rows = true, 0
	b = append(b, "\n{\"columns\":["...)
	for i, name := range columns {
		b = appendString(comma(b, i), name)
	}
	return j.write(append(b, `],"rows":[`...))
}

// Row implements [Writer].
func (j *JSON) Row(values []any) error {
	b := append(comma(j.line[:0], j.rows), "\n["...)
	for i, v := range values {
		b = AppendJSON(comma(b, i), v)
	}
	j.rows++
	return j.write(append(b, ']'))
}

// End implements [Writer].
func (j *JSON) End() error { return j.write(append(j.line[:0], "]}"...)) }

// Close ends the array. It does not close the writer below.
func (j *JSON) Close() error {
	if !j.began {
		return j.write(append(j.line[:0], "[]"...))
	}
	return j.write(append(j.line[:0], "\n]"...))
}

func (j *JSON) write(b []byte) error {
	j.line = b
	_, err := j.w.Write(b)
	return err
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// NewJSONL returns a writer of one JSON object a row and line, with the columns' names as keys in
// their order and values as [AppendJSON] has them. The second column of one name is "name:2".
func NewJSONL(w io.Writer) Writer { return &jsonLines{w: w} }

type jsonLines struct {
	w    io.Writer
	keys [][]byte // with what stands before each: {"a": and ,"b":
	line []byte
}

func (j *jsonLines) Begin(columns []string) error {
	j.keys = nil
	for i, key := range uniqueNames(columns) {
		before := []byte{'{'}
		if i > 0 {
			before[0] = ','
		}
		j.keys = append(j.keys, append(appendString(before, key), ':'))
	}
	return nil
}

func uniqueNames(names []string) []string {
	var unique []string
	for _, name := range names {
		key := name
		for n := 2; slices.Contains(unique, key); n++ {
			key = fmt.Sprintf("%s:%d", name, n)
		}
		unique = append(unique, key)
	}
	return unique
}

func (j *jsonLines) Row(values []any) error {
	b := j.line[:0]
	for i, v := range values {
		b = AppendJSON(append(b, j.keys[i]...), v)
	}
	b = append(b, "}\n"...)
	j.line = b
	_, err := j.w.Write(b)
	return err
}

func (j *jsonLines) End() error { return nil }
