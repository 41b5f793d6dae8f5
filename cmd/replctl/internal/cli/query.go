package cli

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/replctl/replicate/sqlite/query"
)

const queryLong = `Ask a replica SQL as of any moment, without restoring it.

SQL is an argument, or comes from --file or standard input; it may be several statements. On
a terminal, without SQL, a shell starts: .help lists its commands, which jump to another moment
(.at), list the moments there are (.timeline) and compare two of them (.attach).

The output is a table for people, or with --csv, --jsonl (an object a row and line) or --json
(one document, docs/json.md) exact: a blob is X'0AFF' in CSV and {"blob":"base64"} in JSON, NULL
is an empty field in CSV and an empty text is "". A table shows control characters escaped and
the beginning of a long blob; on a terminal too narrow for it, each row is a list.

--param name=value binds :name, @name and $name: as a number if the value is one as SQLite
prints it, else as text.

SQL that writes is refused, and no SQL makes a file: ATTACH and VACUUM are refused too. Wrong
SQL is exit code 1, and so is a limit that is reached.

` + viewHelp

// queryJSON is what stands before and after the results of a query.
type queryJSON struct {
	URL    string     `json:"url"`
	Format string     `json:"format"`
	State  pointJSON  `json:"state"`
	Asked  *time.Time `json:"timestamp,omitempty"` // the moment that was asked for
	Next   *pointJSON `json:"next,omitempty"`      // the first state after the moment, where that has none of its own
	Notes  []string   `json:"notes"`
}

type costJSON struct {
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"`
}

type queryFlags struct {
	*viewFlags
	file       string
	csv, jsonl bool
	params     []string
}

func newQueryCommand(a *app) *cobra.Command {
	flags := &queryFlags{}
	cmd := &cobra.Command{
		Use:   "query URL [SQL]",
		Short: "Ask a replica SQL as of any moment",
		Long:  queryLong,
		Example: `  replctl query s3://backups/db --timestamp 14:02 "select count(*) from users"
  replctl query s3://backups/db "select * from users where id = :id" --param id=42 --json
  replctl query s3://backups/db`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return fmt.Errorf("want a url and SQL, not %d arguments; SQL is one argument, in quotes", len(args))
			}
			return oneURL(nil, args[:min(len(args), 1)])
		},
	}
	flags.viewFlags = addView(cmd.Flags())
	cmd.Flags().Var(pathFlag{&flags.file}, "file", "read SQL from this `file`; - is standard input")
	cmd.Flags().BoolVar(&flags.csv, "csv", false, "print CSV instead of a table")
	cmd.Flags().BoolVar(&flags.jsonl, "jsonl", false, "print a JSON object a row and line instead of a table")
	cmd.Flags().StringArrayVar(&flags.params, "param", nil, "bind `name=value`; may be repeated")
	a.addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.query(cmd.Context(), args, flags) }
	return cmd
}

func (a *app) query(ctx context.Context, args []string, flags *queryFlags) error {
	target, err := flags.target.target()
	if err != nil {
		return err
	}
	binds, err := flags.check(a.json, args)
	if err != nil {
		return err
	}
	r, err := a.openReplica(args[0])
	if err != nil {
		return err
	}
	if len(args) < 2 && flags.file == "" && a.hasShell() {
		return a.runShell(ctx, r, target, flags, binds)
	}
	statements, err := readStatements(args[1:], flags.file)
	if err != nil {
		return err
	}
	limited, cancel := flags.limited(ctx)
	defer cancel()
	m, err := a.openDatabase(limited, r, target, flags.viewFlags)
	if err != nil {
		return err
	}
	defer m.close()
	err = waitFor(limited, func() error { return m.answer(limited, statements, flags, binds) })
	if err != nil {
		return viewFailure(limited, err)
	}
	m.say()
	return nil
}

// check checks the flags, and returns what --param binds.
func (f *queryFlags) check(asJSON bool, args []string) (binds []any, err error) {
	formats := 0
	for _, given := range []bool{asJSON, f.csv, f.jsonl} {
		if given {
			formats++
		}
	}
	switch {
	case formats > 1:
		return nil, usageError("one of them", "query: --json, --csv and --jsonl are three formats")
	case len(args) == 2 && f.file != "":
		return nil, usageError("one of them", "query: SQL is an argument and in --file")
	}
	for _, p := range f.params {
		name, value, ok := strings.Cut(p, "=")
		if name = strings.TrimLeft(name, ":@$"); !ok || name == "" {
			return nil, usageError("--param id=42", "--param %s: want name=value", p)
		}
		binds = append(binds, sql.Named(name, bindValue(value)))
	}
	return binds, nil
}

// bindValue is a number if the text is one in the form in which SQLite prints it.
func bindValue(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && query.Text(n) == s {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && strings.Trim(s, "-.0123456789") == "" && query.Text(f) == s {
		return f
	}
	return s
}

// readStatements returns the statements of the argument, the file or standard input.
func readStatements(args []string, file string) ([]string, error) {
	text, in := strings.Join(args, ""), io.Reader(os.Stdin)
	if len(args) == 0 && file != "" && file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	if len(args) == 0 {
		content, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("read SQL: %w", err)
		}
		text = string(content)
	}
	statements := query.Split(text)
	if len(statements) == 0 {
		return nil, usageError(`replctl query URL "select 1"`, "query: there is no SQL")
	}
	return statements, nil
}

// waitFor calls f and returns its error. SQLite cannot be stopped in the middle of every
// computation: some seconds after ctx has ended, waitFor returns without f, and the process ends.
func waitFor(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(3 * time.Second):
		return &abandonedError{context.Cause(ctx)}
	}
}

// abandonedError is the cause for which a call was left alone, which still goes on.
type abandonedError struct{ error }

func (e *abandonedError) Unwrap() error { return e.error }

// answer runs the statements, and prints their results.
func (m *database) answer(ctx context.Context, statements []string, flags *queryFlags, binds []any) error {
	buffered := bufio.NewWriterSize(m.app.stdout, 1<<16)
	out, finish := m.writer(buffered, flags)
	for i, s := range statements {
		if err := query.Run(ctx, m.conn, s, out, binds...); err != nil {
			return errors.Join(buffered.Flush(), statementError(err, i, len(statements)))
		}
	}
	if err := finish(); err != nil {
		return err
	}
	return buffered.Flush()
}

// statementError says which of several statements is wrong.
func statementError(err error, i, of int) error {
	var wrong *query.Error
	if errors.As(err, &wrong) && of > 1 {
		return fmt.Errorf("query: statement %d of %d: %w", i+1, of, err)
	}
	return fmt.Errorf("query: %w", err)
}

// writer returns what results are written to, and what ends it.
func (m *database) writer(w io.Writer, flags *queryFlags) (out query.Writer, finish func() error) {
	onTerminal := terminalWidth(m.app.stdout) > 0
	none := func() error { return nil }
	switch {
	case m.app.json:
		doc := &documentWriter{w: w, before: m.document}
		results := query.NewJSON(doc)
		return results, func() error {
			if err := results.Close(); err != nil {
				return err
			}
			stats := m.view.Stats()
			return doc.end(costJSON{stats.Requests, stats.Bytes})
		}
	case flags.jsonl:
		return query.NewJSONL(filter{w, harmlessJSON}), none
	case flags.csv && onTerminal:
		return query.NewCSV(filter{w, func(b []byte) []byte { return []byte(harmlessLines(string(b))) }}), none
	case flags.csv:
		return query.NewCSV(w), none
	}
	return newTable(m.app, w), none
}

func (m *database) document() queryJSON {
	plan := m.view.Plan()
	return queryJSON{
		URL: m.url, Format: plan.Format, State: *pointDoc(plan.State), Asked: optionalTime(m.target.Timestamp),
		Next: pointDoc(plan.Next), Notes: append([]string{}, plan.Notes...),
	}
}

// filter is a writer whose every Write passes a function: whole tokens or lines.
type filter struct {
	w    io.Writer
	pass func([]byte) []byte
}

func (f filter) Write(p []byte) (int, error) {
	if _, err := f.w.Write(f.pass(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// documentWriter writes one JSON object: the keys of one document, "results" with what is written,
// and the keys of another. It writes nothing before the first result.
type documentWriter struct {
	w      io.Writer
	before func() queryJSON
	begun  bool
}

func (d *documentWriter) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		doc, err := json.Marshal(d.before())
		if err != nil {
			return 0, err
		}
		doc = append(doc[:len(doc)-1], `,"results":`...)
		if _, err := d.w.Write(harmlessJSON(doc)); err != nil {
			return 0, err
		}
	}
	return filter{d.w, harmlessJSON}.Write(p)
}

func (d *documentWriter) end(after any) error {
	doc, err := json.Marshal(after)
	if err != nil {
		return err
	}
	doc[0] = ','
	_, err = d.w.Write(append(doc, '\n'))
	return err
}

// hasShell reports whether a person is at both ends.
func (a *app) hasShell() bool {
	return terminalWidth(a.stdout) > 0 && term.IsTerminal(int(os.Stdin.Fd()))
}
