package cli

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/history"
	"github.com/replctl/replicate/sqlite/query"
)

// rowHistoryJSON is the states of a row.
type rowHistoryJSON struct {
	URL    string            `json:"url"`
	Table  string            `json:"table"`
	Key    []json.RawMessage `json:"key"`
	States []rowStateJSON    `json:"states"`
	logEndJSON
}

type rowStateJSON struct {
	Since   pointJSON         `json:"since"`
	Op      diff.Op           `json:"op,omitempty"` // absent if it was so at the first moment that was looked at
	Columns []string          `json:"columns,omitempty"`
	Values  []json.RawMessage `json:"values,omitempty"` // both absent if there was no row
}

// rowHistory finds the states of a row, and returns what prints them.
func (a *app) rowHistory(
	ctx context.Context, r *opened, flags *logFlags, opts history.LogOptions,
) (func() error, *history.History, error) {
	var key []any
	for _, k := range flags.key {
		key = append(key, bindValue(k))
	}
	versions, h, err := history.RowHistory(ctx, r, key, opts)
	return func() error {
		if !a.json {
			return a.printVersions(versions)
		}
		doc := rowHistoryJSON{r.url, flags.table, valuesJSON(key), []rowStateJSON{}, logEnd(h)}
		for _, v := range versions {
			s := rowStateJSON{Since: *pointDoc(v.Point), Op: v.Op}
			if v.Values != nil {
				s.Columns, s.Values = v.Columns, valuesJSON(v.Values)
			}
			doc.States = append(doc.States, s)
		}
		return a.printJSON(doc)
	}, h, err
}

func valuesJSON(values []any) (docs []json.RawMessage) {
	for _, v := range values {
		docs = append(docs, query.AppendJSON(nil, v))
	}
	return docs
}

// printVersions prints a table for each run of states that have the same columns.
func (a *app) printVersions(versions []history.RowVersion) error {
	if len(versions) == 0 {
		a.talk("no such row, at any moment")
		return nil
	}
	for len(versions) > 0 {
		columns := columnsOf(versions)
		n := slices.IndexFunc(versions, func(v history.RowVersion) bool {
			return v.Values != nil && !slices.Equal(v.Columns, columns)
		})
		if n < 0 {
			n = len(versions)
		}
		if err := a.printRun(columns, versions[:n]); err != nil {
			return err
		}
		if versions = versions[n:]; len(versions) > 0 {
			if err := a.print("\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// columnsOf is the columns of the first state with a row.
func columnsOf(versions []history.RowVersion) []string {
	for _, v := range versions {
		if v.Values != nil {
			return v.Columns
		}
	}
	return nil
}

func (a *app) printRun(columns []string, versions []history.RowVersion) error {
	header := []string{"since", "time", "op"}
	for _, c := range columns {
		header = append(header, harmless(c))
	}
	g := newGrid(header...)
	for _, v := range versions {
		op := string(v.Op)
		if op == "" {
			op = "(before)"
		}
		row := []any{pointName(v.Point), preciseStamp(v.Time), op}
		for _, value := range v.Values {
			row = append(row, cell(value))
		}
		g.add(row...)
	}
	return a.printGrid(g)
}
