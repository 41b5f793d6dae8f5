package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/replctl/replicate/replica/diff"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/sqlite"
	"github.com/replctl/replicate/sqlite/query"
)

// Value is what a question answers at a moment.
type Value struct {
	Point replica.Point

	// Value is nil (NULL, or no row), an int64, a float64, a string or a []byte.
	Value any

	// Holds is the answer to [BisectOptions.While]; true without it.
	Holds bool

	// Err is what SQLite says if the question has no answer at that moment: that there is no
	// such table, or no such column. Such an answer is a value too.
	Err *query.Error
}

// ErrNotOneValue: the SQL gives more than one row or column.
var ErrNotOneValue = errors.New("want SQL that gives one value")

// question is SQL that gives one value, and an expression of that value.
type question struct{ sql, while string }

// at asks the question at a moment.
func (q question) at(ctx context.Context, v sqlite.View, tempDir string, p replica.Point) (Value, error) {
	db, err := sqlite.OpenViews(sqlite.ViewOptions{TempDir: tempDir}, sqlite.NamedView{Name: "main", View: v})
	if err != nil {
		return Value{}, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return Value{}, err
	}
	defer conn.Close()
	value := Value{Point: p, Holds: true}
	var got oneValue
	if err = query.Run(ctx, conn, q.sql, &got); err == nil && q.while != "" {
		value.Value, got = got.value, oneValue{}
		condition := "SELECT (" + q.while + "\n) IS TRUE FROM (SELECT ?1 AS value)"
		if err = query.Run(ctx, conn, condition, &got, value.Value); err == nil {
			value.Holds = got.value == int64(1)
		}
	} else {
		value.Value = got.value
	}
	if errors.As(err, &value.Err) {
		value.Value, value.Holds = nil, false
		return value, nil
	}
	return value, err
}

// oneValue is a query.Writer that takes one value.
type oneValue struct {
	value any
	rows  int
}

func (o *oneValue) Begin(columns []string) error {
	if len(columns) != 1 {
		return fmt.Errorf("%w: it gives %d columns", ErrNotOneValue, len(columns))
	}
	return nil
}

func (o *oneValue) Row(values []any) error {
	if o.rows++; o.rows > 1 {
		return fmt.Errorf("%w: it gives more than one row", ErrNotOneValue)
	}
	o.value = values[0]
	if b, ok := o.value.([]byte); ok {
		o.value = bytes.Clone(b)
	}
	return nil
}

func (o *oneValue) End() error { return nil }

// same reports whether two answers are the same: with an expression, whether it holds at both or
// at neither; else whether the values are of one type and equal.
func (q question) same(a, b Value) bool {
	if q.while != "" {
		return a.Holds == b.Holds
	}
	if a.Err != nil || b.Err != nil {
		return a.Err != nil && b.Err != nil && a.Err.Message == b.Err.Message
	}
	return diff.SameValue(a.Value, b.Value)
}
