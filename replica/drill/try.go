package drill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

type driller struct {
	src   replica.Source
	files *replica.Files
	opts  Options

	newest   replica.Point // that can be restored, as the plan says
	timeline *replica.Timeline
}

// try restores a moment, or opens a view of it, and asks.
func (d *driller) try(ctx context.Context, p picked) Moment {
	m := Moment{Why: p.why, State: p.state, Outcome: Passed}
	began := time.Now()
	db, err := d.open(ctx, p.target, &m)
	m.Took = time.Since(began)
	if err != nil {
		m.Err, m.Outcome = err, outcomeOf(err)
		return m
	}
	defer db.Close()
	m.Size = db.Size()
	if p.state.TXID != 0 {
		m.check("transaction", d.sameTransaction(p, m.State))
		m.check("size", d.sameSize(ctx, m.State, m.Size))
	}
	d.ask(ctx, db, &m)
	return m
}

// outcomeOf is what an error says of a moment: damage is certain, and anything else is not known.
func outcomeOf(err error) Outcome {
	var unreachable *restore.PlanError
	if errors.As(err, &unreachable) || errors.Is(err, blob.ErrUnreadable) || replica.IsDamage(err) {
		return Failed
	}
	return Inconclusive
}

// database is one that can be asked.
type database interface {
	sqlite.View
	io.Closer
}

func (d *driller) open(ctx context.Context, target restore.Target, m *Moment) (database, error) {
	if d.opts.View {
		v, err := view.Open(ctx, d.src, target, view.Options{TempDir: d.opts.TempDir, Progress: d.opts.Progress})
		if err != nil {
			return nil, err
		}
		s := v.State()
		m.Format, m.State = s.Format, replica.Point{TXID: s.TXID, Pos: s.Pos, Time: s.Time}
		return v, nil
	}
	f, err := scratch.New(d.opts.TempDir)
	if err != nil {
		return nil, err
	}
	opts := restore.Options{Progress: d.opts.Progress}
	plan, err := restore.Follow(ctx, d.src, target, opts, func(files *replica.Files, plan *restore.Plan) error {
		if err := f.Truncate(0); err != nil { // of the plan before
			return err
		}
		return plan.Write(ctx, files, f, opts)
	})
	if err == nil {
		m.Format, m.State, m.Read = plan.Format, plan.State, plan.Bytes
		var size int64
		if size, err = f.Seek(0, io.SeekEnd); err == nil {
			return &restored{f, size}, nil
		}
	}
	f.Drop()
	return nil, err
}

// restored is a database in a file without a name.
type restored struct {
	*scratch.File
	size int64
}

func (r *restored) Size() int64 { return r.size }

func (r *restored) Close() error {
	r.Drop()
	return nil
}

// check notes what came of a check; no error is that it passed.
func (m *Moment) check(name string, err error) {
	c := Check{Name: name, Outcome: Passed}
	if err != nil {
		c.Outcome, c.Said = Failed, err.Error()
		var unknown *unreadError
		if errors.As(err, &unknown) {
			c.Outcome = outcomeOf(unknown.error)
		}
	}
	m.Checks = append(m.Checks, c)
	m.Outcome = m.Outcome.Worse(c.Outcome)
}

// unreadError is of a check that could not be made.
type unreadError struct{ error }

func (e *unreadError) Unwrap() error { return e.error }

func (d *driller) sameTransaction(p picked, got replica.Point) error {
	if got.TXID != p.state.TXID {
		return fmt.Errorf("transaction %s was restored, not %s", got.TXID, p.state.TXID)
	}
	return nil
}

// sameSize compares the size with that in the header of the last file.
func (d *driller) sameSize(ctx context.Context, state replica.Point, size int64) error {
	i := d.timeline.End(state.TXID)
	if i == len(d.timeline.Ends) || d.timeline.Ends[i].MaxTXID != state.TXID {
		return nil // it is newer than the listing
	}
	h, err := d.files.Header(ctx, d.timeline.Ends[i])
	switch want := int64(h.PageSize) * int64(h.Commit); {
	case errors.Is(err, fs.ErrNotExist): // compacted since
		return nil
	case err != nil:
		return &unreadError{err}
	case size != want:
		return fmt.Errorf("the database has %d bytes, and %d by the header of its last file", size, want)
	}
	return nil
}

// ask asks SQLite.
func (d *driller) ask(ctx context.Context, db database, m *Moment) {
	if db.Size() == 0 { // a database with nothing in it
		m.check("integrity", nil)
		return
	}
	handle, err := sqlite.OpenView(db)
	if err != nil {
		m.check("integrity", &unreadError{err})
		return
	}
	defer handle.Close()
	m.check("integrity", sound(ctx, handle))
	m.check("foreign keys", foreignKeys(ctx, handle))
	for _, a := range d.opts.Assertions {
		m.check(a, isTrue(ctx, handle, a))
	}
	if v, ok := db.(*view.View); ok {
		m.Read = v.Stats().Bytes
	}
}

func sound(ctx context.Context, db *sql.DB) error {
	said, err := column(ctx, db, "PRAGMA integrity_check(20)")
	switch {
	case err != nil:
		return asked(err)
	case len(said) == 1 && said[0] == "ok":
		return nil
	}
	return errors.New(strings.Join(said, "; "))
}

// foreignKeys counts the rows whose foreign keys point nowhere.
func foreignKeys(ctx context.Context, db *sql.DB) error {
	var n int64
	var table string
	const count = "SELECT count(*), coalesce(min(\"table\"), '') FROM pragma_foreign_key_check"
	switch err := db.QueryRowContext(ctx, count).Scan(&n, &table); {
	case err != nil:
		return asked(err)
	case n > 0:
		return fmt.Errorf("%d rows have a foreign key that points nowhere, the first of them in %s", n, table)
	}
	return nil
}

// isTrue asks SQL for one value, which has to be true.
func isTrue(ctx context.Context, db *sql.DB, assertion string) error {
	rows, err := db.QueryContext(ctx, assertion)
	if err != nil {
		return asked(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return asked(err)
	}
	var value any
	n := 0
	for ; n < 2 && rows.Next(); n++ {
		if len(names) != 1 {
			return fmt.Errorf("it has %d columns, and has to have one", len(names))
		}
		if err := rows.Scan(&value); err != nil {
			return asked(err)
		}
	}
	switch err := rows.Err(); {
	case err != nil:
		return asked(err)
	case n == 0:
		return errors.New("it gives no row, and has to give one")
	case n > 1:
		return errors.New("it gives more than one row")
	case !truth(value):
		return fmt.Errorf("it is %v", shown(value))
	}
	return nil
}

func truth(value any) bool {
	switch v := value.(type) {
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != "" && v != "0"
	case []byte:
		return len(v) > 0
	case bool:
		return v
	}
	return value != nil
}

func shown(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case string, []byte:
		return fmt.Sprintf("%.100q", v)
	}
	return fmt.Sprint(value)
}

// column is the one column of an answer.
func column(ctx context.Context, db *sql.DB, query string) (values []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}

// asked is an error of a question: of SQLite itself it is the answer, of what is below SQLite it
// says that nothing is known.
func asked(err error) error {
	if replica.IsDamage(err) || sqlite.IsAnswer(err) {
		return err
	}
	return &unreadError{err}
}
