package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/internal/moment"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

const diffLong = `Say what changed in a database between two moments: objects of the schema, and how many rows of
each table. --to is the latest state if it is not given. --to-url takes the second state from
another replica. --rows prints the rows with their columns, before and after; * marks a column that
has changed. A row is known by its rowid, or by the primary key of a WITHOUT ROWID table.

--sql prints statements that turn the first state into the second, and --undo those that turn the
second into the first. Nothing is applied: read them, and run them yourself. The script is one
transaction and complete only if the exit code is 0; without COMMIT at its end, SQLite takes nothing
of it. It switches foreign keys off for its connection, since an ON DELETE CASCADE would change more
than it says, and drops triggers of the tables it writes to, to create them again at its end. Rows
that were changed again after the second state are not protected: the statements go by the key.

To put back what somebody deleted around two o'clock, stop the application, look, and then apply:

  replctl diff URL --from 13:55 --to 14:05 --table users --rows
  replctl diff URL --from 13:55 --to 14:05 --table users --undo > undo.sql
  sqlite3 live.db < undo.sql && sqlite3 live.db 'PRAGMA foreign_key_check'

Where both states are of one replica, only what changed is read, and the pages that say where that
is. The database is read whole, twice, for two replicas, for a v0.3 backup, after a VACUUM, or where
there are no files but snapshots between the two states. The exit code is 0 whether they differ or
not; with --exit-code it is 8 if they do.

` + momentHelp + "\n" + moment.Forms + `

` + cacheHelp

type diffFlags struct {
	*viewFlags
	from, to  momentFlag
	toURL     string
	tables    []string
	rows      bool
	sql, undo bool
	jsonl     bool
	exitCode  bool
}

func newDiffCommand(a *app) *cobra.Command {
	flags := &diffFlags{from: newMomentFlag(), to: newMomentFlag()}
	cmd := &cobra.Command{
		Use:   "diff URL",
		Short: "Say what changed between two moments, and print SQL that undoes it",
		Long:  diffLong,
		Example: `  replctl diff s3://backups/db --from 13:55 --to 14:05
  replctl diff s3://backups/db --from 'yesterday 18:00' --table users --undo`,
		Args: oneURL,
	}
	flags.viewFlags = addViews(cmd.Flags())
	flags.pageCache, flags.readAhead = 16<<20, 8<<20 // there are two views
	f := cmd.Flags()
	f.Var(&flags.from, "from", "the first state; needed")
	f.Var(&flags.to, "to", "the second state (default the latest)")
	f.StringVar(&flags.toURL, "to-url", "", "the second state is of the replica at this `URL`")
	f.StringArrayVar(&flags.tables, "table", nil, "only this `table`; may be repeated")
	f.BoolVar(&flags.rows, "rows", false, "print the rows that differ")
	f.BoolVar(&flags.sql, "sql", false, "print SQL that turns the first state into the second")
	f.BoolVar(&flags.undo, "undo", false, "print SQL that turns the second state into the first")
	f.BoolVar(&flags.jsonl, "jsonl", false, "print a JSON object a changed row and line")
	f.BoolVar(&flags.exitCode, "exit-code", false, "exit with code 8 if the states differ")
	a.addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.diff(cmd.Context(), args[0], flags) }
	return cmd
}

// check checks the flags.
func (f *diffFlags) check(asJSON bool) error {
	formats := 0
	for _, given := range []bool{asJSON, f.jsonl, f.sql, f.undo} {
		if given {
			formats++
		}
	}
	switch {
	case f.from.target() == nil:
		return usageError("--from 'yesterday 18:00'", "diff: between which moments? --from is missing")
	case formats > 1:
		return usageError("one of them", "diff: --json, --jsonl, --sql and --undo are four formats")
	case f.rows && (f.sql || f.undo):
		return usageError("one of them", "diff: --rows does not go with --sql and --undo, which print all rows")
	}
	return nil
}

// compared is two states, and what differs.
type compared struct {
	*diff.Diff
	app      *app
	from, to *database
	toURL    string
	differs  bool

	done, of atomic.Int64 // tables
}

// showProgress shows how many tables were compared, until stop is called. Rows on a terminal show it
// themselves.
func (c *compared) showProgress(streams bool) (stop func()) {
	m := c.app.newMeter("compared")
	m.unit = func(n int64) string { return count(int(n), "table", "tables") }
	if streams && terminalWidth(c.app.stdout) > 0 {
		return func() {}
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-tick.C:
				m.update(c.done.Load(), c.of.Load())
			case <-end:
				tick.Stop()
				m.done()
				return
			}
		}
	})
	return func() { close(end); wg.Wait() }
}

// Rows counts the tables that it has come to the end of.
func (c *compared) Rows(ctx context.Context, t *diff.Table) iter.Seq2[diff.Row, error] {
	return func(yield func(diff.Row, error) bool) {
		defer c.done.Add(1)
		c.Diff.Rows(ctx, t)(yield)
	}
}

func (a *app) diff(ctx context.Context, url string, flags *diffFlags) error {
	if err := flags.check(a.json); err != nil {
		return err
	}
	ctx, cancel := flags.limited(ctx)
	defer cancel()
	c := &compared{app: a}
	defer c.close()
	if err := c.open(ctx, url, flags); err != nil {
		return err
	}
	began := time.Now()
	stop := c.showProgress(a.json || flags.jsonl || flags.rows || flags.sql || flags.undo)
	err := waitFor(ctx, func() error { return c.compare(ctx, flags) })
	stop()
	if err != nil {
		if errors.Is(err, diff.ErrNoTable) {
			return &cliError{exitNothing, err, "replctl tables " + shellQuote(url) + ", which lists them"}
		}
		return viewFailure(ctx, err)
	}
	c.say(began)
	if c.differs && flags.exitCode {
		return &cliError{code: exitDiffers}
	}
	return nil
}

// open opens both states.
func (c *compared) open(ctx context.Context, url string, flags *diffFlags) error {
	var to restore.Target
	if target := flags.to.target(); target != nil {
		to = *target
	}
	c.toURL = url
	if flags.toURL != "" {
		c.toURL = flags.toURL
	}
	for _, state := range []struct {
		flag, url string
		target    restore.Target
		into      **database
	}{{"--from", url, *flags.from.target(), &c.from}, {"--to", c.toURL, to, &c.to}} {
		r, err := c.app.openReplica(state.url)
		if err != nil {
			return err
		}
		v, err := c.app.openView(ctx, r, state.target, flags.viewFlags)
		var ce *cliError
		if errors.As(err, &ce) {
			ce.try = targetAdvice.ReplaceAllString(ce.try, state.flag)
		}
		if err != nil {
			return err
		}
		*state.into = &database{app: c.app, url: r.url, target: state.target, view: v, opened: time.Now()}
	}
	return nil
}

// targetAdvice is the flags of other commands that mean a moment.
var targetAdvice = regexp.MustCompile("--txid|--generation [0-9a-f]{16} --timestamp")

func (c *compared) close() {
	if c.Diff != nil {
		_ = c.Close()
	}
	for _, m := range []*database{c.from, c.to} {
		if m != nil {
			m.close()
		}
	}
}

// compare compares the states, and prints what the flags ask for.
func (c *compared) compare(ctx context.Context, flags *diffFlags) (err error) {
	c.Diff, err = diff.Compare(ctx, c.from.view, c.to.view, diff.Options{Tables: flags.tables, TempDir: flags.tempDir})
	if err != nil {
		return err
	}
	c.of.Store(int64(len(c.Tables)))
	c.differs = len(c.Schema) > 0
	w := bufio.NewWriterSize(c.app.stdout, 1<<16)
	switch {
	case flags.sql, flags.undo:
		if err = c.Script(ctx, w, flags.undo); err == nil && flags.exitCode && !c.differs {
			err = c.look(ctx)
		}
	case flags.jsonl:
		err = c.lines(ctx, w)
	case c.app.json:
		err = c.document(ctx, w, flags.rows)
	case flags.rows:
		err = c.print(ctx, w)
	default:
		err = c.summary(ctx)
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// look finds out whether a row differs.
func (c *compared) look(ctx context.Context) error {
	for _, t := range c.Tables {
		for _, err := range c.Rows(ctx, t) {
			c.differs = true
			return err
		}
	}
	return nil
}

// say says on standard error which states were compared, and what was read.
func (c *compared) say(began time.Time) {
	a := c.app
	if a.json {
		return
	}
	for i, m := range []*database{c.from, c.to} {
		a.sayPlan(m.target, m.view.Plan())
		a.talk("%s %s%s", []string{"from", "to"}[i], describeState(m.view.Plan()), m.distance())
	}
	for _, note := range c.Notes {
		a.talk("note: %s", note)
	}
	cost := c.cost()
	a.talk("read %s in %s, %v", size(cost.Bytes), count(int(cost.Requests), "request", "requests"),
		time.Since(began).Round(time.Millisecond))
}

// cost is what both views have read.
func (c *compared) cost() costJSON {
	sum := costJSON{}
	for _, v := range []*view.View{c.from.view, c.to.view} {
		stats := v.Stats()
		sum.Requests += stats.Requests
		sum.Bytes += stats.Bytes
	}
	return sum
}

// summary prints a line for each table that has changed.
func (c *compared) summary(ctx context.Context) error {
	g := newGrid("table", "inserted", "updated", "deleted", "schema")
	g.right = []string{"inserted", "updated", "deleted"}
	g.expendable = []string{"schema"}
	printed := map[string]bool{}
	for _, t := range c.Tables {
		schema := schemaOf(c.Schema, t.Name)
		n, err := c.Count(ctx, t)
		c.done.Add(1)
		if t.Refused != nil {
			c.Notes = append(c.Notes, fmt.Sprintf("table %s: %v", t.Name, t.Refused))
		} else if err != nil {
			return err
		}
		if printed[t.Name] = true; n != (diff.Counts{}) || schema != "" {
			g.add(t.Name, n.Inserted, n.Updated, n.Deleted, schema)
			c.differs = true
		}
	}
	for _, change := range c.Schema { // views, and what no table has
		if name := change.Table; !printed[name] {
			printed[name] = true
			g.add(name, "", "", "", schemaOf(c.Schema, name))
		}
	}
	if !c.differs {
		c.app.talk("no differences")
		return nil
	}
	return c.app.printGrid(g)
}

// schemaOf is what changed in the schema of a table, in words.
func schemaOf(schema []diff.Change, table string) (words string) {
	for _, change := range schema {
		if change.Table != table {
			continue
		}
		did := map[diff.Op]string{diff.Insert: "created", diff.Update: "changed", diff.Delete: "dropped"}[change.Op]
		what := change.Type + " " + change.Name + " " + did
		switch {
		case change.Type == "pragma":
			what = fmt.Sprintf("%s %s -> %s", change.Name, change.Before, change.After)
		case change.Name == table:
			what = did
		}
		if words != "" {
			words += ", "
		}
		words += what
	}
	return words
}
