package cli

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

// viewFlags are the flags of the commands that look into a database as of a moment.
type viewFlags struct {
	target   *targetFlags
	timeout  time.Duration
	maxBytes bytesFlag
	tempDir  string

	cache     string
	cacheSize bytesFlag

	pageCache, readAhead int64 // of each view; 0 for what is usual
}

func addView(flags *pflag.FlagSet) *viewFlags {
	target := addTarget(flags)
	v := addViews(flags)
	v.target = target
	return v
}

// addViews adds the flags of views of more than one moment.
func addViews(flags *pflag.FlagSet) *viewFlags {
	v := &viewFlags{}
	flags.DurationVar(&v.timeout, "timeout", 0, "stop after this time, such as 30s (default never)")
	flags.Var(&v.maxBytes, "max-bytes",
		"stop before more than this is read from the store, such as 100MiB (default no limit)")
	flags.Var(pathFlag{&v.tempDir}, "temp-dir",
		"`directory` for sorts that do not fit in memory, and for the database of a v0.3 backup (default $TMPDIR)")
	v.cacheSize.n = 1 << 30
	flags.Var(pathFlag{&v.cache}, "cache",
		"keep what is read in this `directory`, for the next command (default no cache)")
	flags.Var(&v.cacheSize, "cache-size", "with --cache: how much the directory may hold, of all replicas")
	return v
}

const viewHelp = `The database is not restored: its pages are read from the replica as they are needed. A v0.3
backup has no index of its pages, so its database is read once, into a file without a name in
--temp-dir. Standard error says which state is shown, how far it is from what was asked for, and
what was read.

` + cacheHelp + "\n\n" + targetHelp

const cacheHelp = `With --cache DIR, what is read of a replica is kept in that directory, and the next command reads
from the replica only what is not there, and the listing of its files. Any number of commands
may use one directory at a time. It holds parts of the databases: it is readable by its owner
alone.`

// bytesFlag is a count of bytes, with units. It is a pflag.Value.
type bytesFlag struct{ n int64 }

func (f *bytesFlag) Set(s string) error {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > 1<<62 {
		return errors.New("want a number of bytes above 0, such as 500000, 100MB or 2GiB")
	}
	f.n = int64(n)
	return nil
}

func (f *bytesFlag) Type() string { return "size" }

func (f *bytesFlag) String() string {
	if f.n == 0 {
		return ""
	}
	return humanize.IBytes(uint64(f.n))
}

// limited returns a context that ends after --timeout.
func (f *viewFlags) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	err := fmt.Errorf("it took longer than --timeout %v", f.timeout)
	return context.WithTimeoutCause(ctx, f.timeout, &cliError{exitFailure, err, "a longer --timeout"})
}

// database is a database as of one state, opened for SQL.
type database struct {
	app    *app
	url    string
	target restore.Target
	view   *view.View
	db     *sql.DB
	conn   *sql.Conn
	opened time.Time
}

// openDatabase opens the state that the target means. If there is none, it prints what is possible.
func (a *app) openDatabase(ctx context.Context, r *opened, target restore.Target, flags *viewFlags,
	attached ...sqlite.NamedView,
) (*database, error) {
	m := &database{app: a, url: r.url, target: target, opened: time.Now()}
	v, err := a.openView(ctx, r, target, flags)
	if err != nil {
		return nil, err
	}
	m.view = v
	if err := m.connect(ctx, flags, attached); err != nil {
		m.close()
		return nil, viewFailure(ctx, err)
	}
	return m, nil
}

// viewGarbage is how much garbage a process that reads views collects, in percent of what it
// uses. Most of that are pages and indexes, which a collection does not look into: it costs
// nothing that can be measured, and the usual 100 percent cost 50 MiB.
const viewGarbage = 20

func (a *app) openView(ctx context.Context, r *opened, target restore.Target, flags *viewFlags) (*view.View, error) {
	opts, err := viewOptions(r, flags)
	if err != nil {
		return nil, err
	}
	meter := a.newMeter("reading")
	opts.Progress = meter.update
	v, err := view.Open(ctx, r, target, opts)
	meter.done()
	switch {
	case err == nil:
		return v, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, viewFailure(ctx, a.noPlan(ctx, r, err))
}

// viewOptions are those of a command's flags.
func viewOptions(r *opened, flags *viewFlags) (view.Options, error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(viewGarbage)
	}
	opts := view.Options{MaxBytes: flags.maxBytes.n, TempDir: flags.tempDir,
		PageCache: flags.pageCache, ReadAhead: flags.readAhead}
	if flags.cache == "" {
		return opts, nil
	}
	cache, err := view.OpenCache(flags.cache, flags.cacheSize.n)
	if err != nil {
		return opts, err
	}
	opts.Cache, opts.Replica = cache, r.url
	if r.dir != "" { // which may have been given as a relative path
		opts.Replica, err = filepath.Abs(r.dir)
	}
	return opts, err
}

func (m *database) connect(ctx context.Context, flags *viewFlags, attached []sqlite.NamedView) (err error) {
	views := append([]sqlite.NamedView{{Name: "main", View: m.view}}, attached...)
	if m.db, err = sqlite.OpenViews(sqlite.ViewOptions{TempDir: flags.tempDir}, views...); err != nil {
		return err
	}
	m.conn, err = m.db.Conn(ctx)
	return err
}

// close frees what the moment holds. The views that were attached stay open.
func (m *database) close() {
	if m.conn != nil {
		_ = m.conn.Close()
	}
	if m.db != nil {
		_ = m.db.Close()
	}
	_ = m.view.Close()
}

// viewFailure gives an error of reading a view its exit code and advice.
func viewFailure(ctx context.Context, err error) error {
	var ce *cliError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.As(context.Cause(ctx), &ce):
		return ce
	case errors.Is(err, view.ErrMaxBytes):
		return &cliError{exitFailure, err, "a larger --max-bytes; of a query, EXPLAIN QUERY PLAN says what is scanned"}
	case errors.Is(err, view.ErrGone):
		return &cliError{exitFailure, err, "the same again, or another moment"}
	}
	return err
}

// sayState says which state is shown, and how far that is from what was asked for.
func (m *database) sayState() {
	m.app.sayPlan(m.target, m.view.Plan())
	if !m.app.json {
		m.app.talk("state %s%s", describeState(m.view.Plan()), m.distance())
	}
}

func (m *database) distance() string {
	at := m.view.State().Time
	switch asked := m.target.Timestamp; {
	case at.IsZero():
		return ""
	case asked.IsZero():
		return fmt.Sprintf(" (%s)", humanize.Time(at))
	case asked.Equal(at):
		return ", exactly as of the timestamp"
	default:
		return fmt.Sprintf(", %v before the timestamp", asked.Sub(at).Round(time.Millisecond))
	}
}

// say says which state was shown, and what was read.
func (m *database) say() {
	m.sayState()
	m.sayCost(view.Stats{}, m.opened)
}

// sayCost says what was read since a time, when the view had cost so much.
func (m *database) sayCost(before view.Stats, since time.Time) {
	if !m.app.json {
		now := m.view.Stats()
		fromCache := ""
		if cached := now.Cached - before.Cached; cached > 0 {
			fromCache = fmt.Sprintf(", and %s from the cache", size(cached))
		}
		m.app.talk("read %s in %s%s, %v", size(now.Bytes-before.Bytes),
			count(int(now.Requests-before.Requests), "request", "requests"), fromCache,
			time.Since(since).Round(time.Millisecond))
	}
}
