package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/internal/moment"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/history"
)

const logLong = `List the moments that a replica has, the newest first: the transaction or position of each, when it
was, how large the database was, how many pages were written since the moment before, in an object of
which size, and which tables these pages belong to. A page belongs to the table of its b-tree, an index
to its table; overflow pages, which have long values, belong to none. A moment that has overwritten
nothing but these names no table, and --table leaves it out. sqlite_schema is the schema
itself: it was written where tables were made, changed or dropped.

Of an LTX replica only page indexes are read, and the interior pages of the b-trees. A v0.3 backup has
no page indexes: its snapshot and its log are read once. Where only a snapshot is left of a moment, the
pages are those of a larger file around it, and their number is at most that.

With --rows, a view of each moment is opened as well, and the rows are compared where pages have changed:
note +4 ~1 -2 means that 4 rows were inserted, 1 updated and 2 deleted.

With --table, the moments that have not written the table are left out.

With --table and --key, it is the history of one row: each state that it had, and since when. The key
is the value of the primary key, --key for each of its columns in their order, or the rowid of a table
without one. A value is a number if it is one as SQLite prints it, else text. The row is looked up
again where a page has changed that the lookup before has read.

--since and --until are both inclusive. ` + moment.Forms + `

Exit code 4 means that something is damaged or missing, so that moments may be missing too.

` + cacheHelp

// logJSON is the moments of a replica.
type logJSON struct {
	URL     string      `json:"url"`
	Moments []entryJSON `json:"moments"`
	logEndJSON
}

// logEndJSON is what stands at the end of both documents of log.
type logEndJSON struct {
	More     bool              `json:"more"` // there are older ones
	Problems []replica.Problem `json:"problems"`
	costJSON
}

type entryJSON struct {
	State        pointJSON     `json:"state"`
	Size         int64         `json:"size"`
	Stored       int64         `json:"stored"`
	Pages        int           `json:"pages"`
	Whole        bool          `json:"whole"`
	Transactions *spanJSON     `json:"transactions,omitempty"` // of LTX: those that wrote the pages
	Schema       bool          `json:"schema"`
	Tables       []touchedJSON `json:"tables"`
}

type touchedJSON struct {
	Name     string `json:"name"`
	Pages    int    `json:"pages"`
	Inserted *int64 `json:"inserted,omitempty"` // this and those below with --rows
	Updated  *int64 `json:"updated,omitempty"`
	Deleted  *int64 `json:"deleted,omitempty"`
}

type logFlags struct {
	*viewFlags
	since, until timeFlag
	table        string
	rows         bool
	key          []string
	limit        int
}

func newLogCommand(a *app) *cobra.Command {
	flags := &logFlags{since: timeFlag{now: time.Now}, until: timeFlag{now: time.Now}}
	cmd := &cobra.Command{
		Use:   "log URL",
		Short: "List the moments, and what each has changed; or the history of a row",
		Long:  logLong,
		Example: `  replctl log s3://backups/db --since -2h --table users
  replctl log s3://backups/db --table users --key 42`,
		Args: oneURL,
	}
	flags.viewFlags = addViews(cmd.Flags())
	cmd.Flags().Var(&flags.since, "since", "leave out moments before this time")
	cmd.Flags().Var(&flags.until, "until", "leave out moments after this time")
	cmd.Flags().StringVar(&flags.table, "table", "", "leave out moments that have not written this `table`")
	cmd.Flags().BoolVar(&flags.rows, "rows", false, "count the rows that each moment has changed, by table")
	cmd.Flags().StringArrayVar(&flags.key, "key", nil, "with --table: the history of the row with this `value` of the key")
	cmd.Flags().IntVar(&flags.limit, "limit", 100, "how many moments to list, or states of a row; 0 for all")
	a.addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.log(cmd.Context(), args[0], flags) }
	return cmd
}

func (f *logFlags) check() error {
	switch {
	case !f.until.at.IsZero() && f.since.at.After(f.until.at):
		return usageError("replctl log --help", "--since %s is after --until %s", &f.since, &f.until)
	case len(f.key) > 0 && f.table == "":
		return usageError("--table users --key 42", "--key needs --table")
	case len(f.key) > 0 && f.rows:
		return usageError("one of them", "--rows counts rows, and --key shows one")
	case f.limit < 0:
		return usageError("--limit 0, for all", "--limit %d: must not be negative", f.limit)
	}
	return nil
}

func (a *app) log(ctx context.Context, url string, flags *logFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	opts := history.LogOptions{Since: flags.since.at, Until: flags.until.at, Table: flags.table, Limit: flags.limit,
		Rows: flags.rows}
	if opts.View, err = viewOptions(r, flags.viewFlags); err != nil {
		return err
	}
	meter := a.newMeter("looking at the moments:")
	meter.unit = func(n int64) string { return fmt.Sprint(n) }
	opts.Progress = func(done, total int) { meter.update(int64(done), int64(total)) }
	ctx, cancel := flags.limited(ctx)
	defer cancel()
	began := time.Now()
	var print func() error
	var history *history.History
	err = waitFor(ctx, func() (err error) {
		if len(flags.key) > 0 {
			print, history, err = a.rowHistory(ctx, r, flags, opts)
		} else {
			print, history, err = a.moments(ctx, r, opts)
		}
		return err
	})
	meter.done()
	if err != nil {
		return a.logFailure(ctx, r, err)
	}
	if len(history.Problems) == 0 {
		a.sayZone("since", flags.since.at)
		a.sayZone("until", flags.until.at)
	}
	if err := print(); err != nil {
		return err
	}
	return a.endLog(history, flags, began)
}

// logFailure gives an error its exit code.
func (a *app) logFailure(ctx context.Context, r *opened, err error) error {
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, replica.ErrNoReplica):
		return r.nothing(ctx)
	case errors.Is(err, diff.ErrNoTable):
		return &cliError{exitNothing, err, "replctl tables URL, which lists them"}
	case errors.Is(err, history.ErrKey):
		return usageError("--key for each column of the key", "%w", err)
	}
	return viewFailure(ctx, err)
}

// endLog says what is missing, and what was read.
func (a *app) endLog(h *history.History, flags *logFlags, began time.Time) error {
	if len(h.Problems) > 0 {
		if !a.json {
			if err := a.printProblems(h.Problems); err != nil {
				return err
			}
		}
		return errDamage
	}
	if a.json {
		return nil
	}
	if h.More {
		a.talk("note: there are older ones: --limit %d, or 0 for all", 10*flags.limit)
	}
	a.talk("read %s in %s, %v", size(h.Stats.Bytes), count(int(h.Stats.Requests), "request", "requests"),
		time.Since(began).Round(time.Millisecond))
	return nil
}

// logEnd is the end of a document.
func logEnd(h *history.History) logEndJSON {
	return logEndJSON{h.More, problemsJSON(h.Problems), costJSON{h.Stats.Requests, h.Stats.Bytes}}
}

// moments lists them, and returns what prints them.
func (a *app) moments(ctx context.Context, r *opened, opts history.LogOptions) (func() error, *history.History, error) {
	entries, h, err := history.Log(ctx, r, opts)
	return func() error {
		if a.json {
			doc := logJSON{r.url, []entryJSON{}, logEnd(h)}
			for _, e := range entries {
				doc.Moments = append(doc.Moments, entryDoc(e))
			}
			return a.printJSON(doc)
		}
		return a.printEntries(entries)
	}, h, err
}

func entryDoc(e history.Entry) entryJSON {
	doc := entryJSON{State: *pointDoc(e.Point), Size: e.Size, Stored: e.Stored, Pages: e.Pages, Whole: e.Whole,
		Schema: e.Schema, Tables: []touchedJSON{}}
	if e.Of != (ltx.Range{}) {
		doc.Transactions = &spanJSON{e.Of.Min.String(), e.Of.Max.String()}
	}
	for _, t := range e.Tables {
		touched := touchedJSON{Name: t.Name, Pages: t.Pages}
		if t.Rows != nil {
			touched.Inserted, touched.Updated, touched.Deleted = &t.Rows.Inserted, &t.Rows.Updated, &t.Rows.Deleted
		}
		doc.Tables = append(doc.Tables, touched)
	}
	return doc
}

func (a *app) printEntries(entries []history.Entry) error {
	if len(entries) == 0 {
		a.talk("no moments match")
		return nil
	}
	g := newGrid("moment", "time", "size", "stored", "pages", "tables")
	g.right = []string{"size", "stored", "pages"}
	g.expendable = []string{"stored", "size"}
	for _, e := range entries {
		g.add(pointName(e.Point), preciseStamp(e.Time), size(e.Size), size(e.Stored), pagesText(e), tablesText(e))
	}
	return a.printGrid(g)
}

// pagesText is how many pages were written, as far as it is known.
func pagesText(e history.Entry) string {
	switch {
	case e.Whole:
		return fmt.Sprintf("all %d", e.Pages)
	case e.Of.Max > e.TXID:
		return fmt.Sprintf("at most %d", e.Pages)
	}
	return fmt.Sprint(e.Pages)
}

func tablesText(e history.Entry) string {
	var names []string
	for _, t := range e.Tables {
		name := t.Name
		if t.Rows != nil {
			name += countsText(*t.Rows)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// countsText is the counts that are not zero.
func countsText(c diff.Counts) (s string) {
	for _, one := range []struct {
		sign string
		n    int64
	}{{"+", c.Inserted}, {"~", c.Updated}, {"-", c.Deleted}} {
		if one.n > 0 {
			s += fmt.Sprintf(" %s%d", one.sign, one.n)
		}
	}
	return s
}
