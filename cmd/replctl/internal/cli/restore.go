package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/sqlite"
	"github.com/replctl/replicate/v3compat"
)

// restoreJSON is what was done.
type restoreJSON struct {
	URL      string     `json:"url"`
	Output   string     `json:"output"`
	Restored bool       `json:"restored"`         // false: left as it was, because of an --if flag
	Format   string     `json:"format,omitempty"` // and the rest: only if restored
	State    *pointJSON `json:"state,omitempty"`
	Asked    *time.Time `json:"timestamp,omitempty"` // the moment that was asked for
	Next     *pointJSON `json:"next,omitempty"`      // the first state after the moment, where that has none of its own
	Notes    []string   `json:"notes,omitempty"`     // in what way the state is not what was asked for
	Bytes    int64      `json:"bytes,omitempty"`     // of the objects that were read
	Size     int64      `json:"size,omitempty"`      // of the database
	Seconds  float64    `json:"seconds,omitempty"`
	Error    string     `json:"error,omitempty"` // with --all: why it was not restored
}

type restoreOptions struct {
	output          string
	ifDBNotExists   bool
	ifReplicaExists bool
	force           bool
	check           checkFlag
	target          *targetFlags
	many            allFlags
	isOne           bool // of many: it says nothing while it restores
}

const standardOutput = "-"

func newRestoreCommand(a *app) *cobra.Command {
	opts := &restoreOptions{}
	cmd := &cobra.Command{
		Use:   "restore [URL] -o PATH",
		Short: "Restore a database",
		Long: `Restore a database from its replica to a file, or with "-o -" to standard output.

The file appears whole and synced, or not at all: it is written under a temporary
name beside its place (.replicate-*.tmp; what a killed restore leaves is removed by
the next). Every checksum on the way is verified: of each LTX file or LZ4 frame, of
the WAL, and of the whole database where the replica has it. If the replica changes while
it is read, the restore is planned again. Damaged data never gets into the database.

A v0.3 backup without times.json may lack the last segment of an index, and no name shows
it. Such a database is mostly malformed: so SQLite makes its quick check unless
--integrity-check says otherwise (exit code 4, and nothing was written). "-o -" makes no
check.

An existing file is replaced only with --force, together with its -wal, -shm and -journal
files. If a process has the database open, nothing is replaced (exit code 1): the process
would go on with files that have no name. An idle process is found by the locks of a
database in WAL mode; without WAL it is found only on Linux, by the owner of the file and
by root. The new file has the mode 0600, or that of the one it replaces.

On standard output the database is complete only if the exit code is 0. Once there is
output, the restore does not look for a way around damage. If the plan has too many files
to read side by side, or WAL, the database is made in a temporary file first ($TMPDIR).

--all restores the database of every replica at any depth below URL, or of the file that
--config names, a few at a time (--parallel), into the directory PATH: that of URL/a/b to
PATH/a/b.db (a name that ends in .db, .sqlite or .sqlite3 stays as it is), and
/var/lib/app.db of the configuration file to PATH/var/lib/app.db. What cannot be restored
does not keep the rest. The exit code is the first of 1, 4, 3 and 0 that applies to any.

` + targetHelp,
		Example: `  replctl restore s3://backups/db -o db.sqlite
  replctl restore /var/backups/db -o db.sqlite --timestamp "2026-11-20 14:05"
  replctl restore --all s3://backups -o /var/lib/restored`,
		Args: func(cmd *cobra.Command, args []string) error {
			if opts.many.all {
				return a.oneOrConfigured(cmd, args)
			}
			return oneURL(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.many.all {
				return a.restoreAll(cmd.Context(), args, opts)
			}
			return a.restore(cmd.Context(), args[0], opts)
		},
	}
	flags := cmd.Flags()
	flags.VarP(pathFlag{&opts.output}, "output", "o", "`path` of the database, or - for standard output")
	flags.BoolVar(&opts.ifDBNotExists, "if-db-not-exists", false, "do nothing, successfully, if there is a file at PATH")
	flags.BoolVar(&opts.ifReplicaExists, "if-replica-exists", false, "do nothing, successfully, if there is no replica")
	flags.BoolVar(&opts.force, "force", false, "replace what is at PATH")
	flags.Var(&opts.check, "integrity-check", "let SQLite check the database before it gets its name: "+checkUsage)
	opts.target = addTarget(flags)
	opts.many.add(cmd, "restore every replica below URL, or of the configuration file, into the directory PATH")
	a.addJSON(cmd)
	return cmd
}

func (o *restoreOptions) validate(a *app) error {
	switch {
	case o.output == "":
		return usageError("replctl restore URL -o db.sqlite", "restore: where to? -o PATH is missing")
	case o.output == standardOutput && (a.json || o.check.mode != sqlite.CheckNone || o.force || o.ifDBNotExists):
		return usageError("a file",
			"restore: --json, --integrity-check, --force and --if-db-not-exists do not go with standard output")
	case o.output == standardOutput && terminalWidth(a.stdout) > 0:
		return usageError("-o db.sqlite, or a pipe", "restore: standard output is a terminal, and a database is no text")
	case o.force && o.ifDBNotExists:
		return usageError("one of them", "restore: --force and --if-db-not-exists contradict each other")
	}
	return nil
}

func (a *app) restore(ctx context.Context, url string, opts *restoreOptions) error {
	if err := opts.validate(a); err != nil {
		return err
	}
	target, err := opts.target.target()
	if err != nil {
		return err
	}
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	done, err := a.restoreOne(ctx, r, target, opts)
	var planErr *restore.PlanError
	switch {
	case errors.As(err, &planErr):
		return a.noPlan(ctx, r, err)
	case err != nil:
		return err
	case done.plan == nil:
		a.talk("no restore: %s", done.why)
	}
	return a.printRestored(r, done, opts)
}

// restored is what came of a restore.
type restored struct {
	plan *restore.Plan // nil if there was nothing to do
	why  string        // there was not
	size int64         // of the database
	took time.Duration
}

// restoreOne restores one database. An error has its exit code, but for a *[restore.PlanError].
func (a *app) restoreOne(ctx context.Context, r *opened, target restore.Target, opts *restoreOptions,
) (done restored, err error) {
	if exists, err := opts.exists(); err != nil {
		return done, err
	} else if exists && opts.ifDBNotExists {
		return restored{why: "there is a file at " + opts.output}, nil
	} else if exists && !opts.force {
		return done, inTheWay(opts.output, fmt.Errorf("%s: %w", opts.output, fs.ErrExist))
	}
	began := time.Now()
	done.plan, err = a.restoreTo(ctx, r, target, opts)
	done.took = time.Since(began)
	var planErr *restore.PlanError
	switch {
	case err == nil:
		done.size = a.sizeOf(opts.output)
		return done, nil
	case errors.Is(err, replica.ErrNoReplica) && opts.ifReplicaExists:
		return restored{why: "there is no replica"}, nil
	case errors.Is(err, replica.ErrNoReplica):
		return done, r.nothing(ctx)
	case errors.As(err, &planErr):
		return done, err
	case errors.Is(err, restore.ErrPartial):
		return done, &cliError{classify(err).code, err, "-o FILE, which looks for a way around what is damaged"}
	case errors.Is(err, sqlite.ErrInUse):
		return done, &cliError{exitFailure, err,
			"once no process uses " + opts.output + " (lsof and fuser name those that do)"}
	case errors.Is(err, fs.ErrPermission) && done.plan != nil && !aboutObject(err):
		return done, &cliError{exitFailure, err, "another path, or as a user who may write there"}
	}
	return done, inTheWay(opts.output, err)
}

// sizeOf is how large a file is that was restored.
func (a *app) sizeOf(output string) int64 {
	if output == standardOutput {
		return 0
	}
	fi, err := os.Stat(output)
	if err != nil { // it was restored: whoever removed it or hides it knows
		a.talk("replctl: size of what was restored: %v", err)
		return 0
	}
	return fi.Size()
}

// aboutObject tells an error of the replica from one of the output.
func aboutObject(err error) bool {
	var file *ltx.FileError
	var object *v3compat.ObjectError
	return errors.As(err, &file) || errors.As(err, &object)
}

func (o *restoreOptions) exists() (bool, error) {
	if o.output == standardOutput {
		return false, nil
	}
	fi, err := os.Stat(o.output)
	switch {
	case errors.Is(err, fs.ErrNotExist) && os.IsPathSeparator(o.output[len(o.output)-1]):
		return false, o.isDirectory()
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case fi.IsDir():
		return false, o.isDirectory()
	case !fi.Mode().IsRegular():
		return false, usageError("-o - > "+shellQuote(o.output), "restore: %s is not a file", o.output)
	}
	return true, nil
}

func (o *restoreOptions) isDirectory() error {
	return usageError("-o "+shellQuote(filepath.Join(o.output, "db.sqlite")), "restore: %s is a directory", o.output)
}

// inTheWay says how to get what is in the way out of it.
func inTheWay(output string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return &cliError{exitFailure, err, fmt.Sprintf("another path, or --force, which replaces %s", output)}
	}
	return err
}

// restoreTo restores, and returns the plan that was followed last; nil if there is none.
func (a *app) restoreTo(ctx context.Context, r *opened, target restore.Target, opts *restoreOptions,
) (plan *restore.Plan, err error) {
	newMeter := func() *meter {
		if opts.isOne {
			return silentMeter()
		}
		return a.newMeter("restoring")
	}
	about := ""
	if opts.isOne {
		about = r.url + ": "
	}
	m := newMeter()
	defer func() { m.done() }()
	how := restore.Options{
		Progress: func(done, total int64) { m.update(done, total) },
		Planned: func(p *restore.Plan) error {
			if plan != nil {
				m.done()
				m = newMeter()
			}
			if plan = p; !opts.isOne {
				a.sayPlan(target, plan)
			}
			if opts.output == standardOutput && plan.MayMiss {
				a.talk("note: this backup has no times.json, and may lack segments that no name shows; " +
					"with -o FILE, SQLite checks the database")
			}
			return nil
		},
		Around: func(err error) { a.talk("note: %splanning again: %v", about, err) },
		Doubt: func(err error) {
			note := fmt.Sprintf("%v; replctl check --deep tells more", err)
			plan.Notes = append(plan.Notes, note)
			if !a.json && !opts.isOne {
				a.talk("note: %s", note)
			}
		},
	}
	if opts.output == standardOutput {
		_, err = restore.To(ctx, r, target, a.stdout, how)
		return plan, err
	}
	_, err = restore.File(ctx, r, target, opts.output, restore.FileOptions{
		Options: how,
		Replace: opts.force,
		Unused:  sqlite.CheckUnused,
		Check: func(ctx context.Context, path string) error {
			return soundDatabase(ctx, path, opts.check.modeFor(plan.MayMiss))
		},
	})
	return plan, err
}

func (a *app) printRestored(r *opened, done restored, opts *restoreOptions) error {
	switch {
	case a.json:
		return a.printJSON(restoredDoc(r.url, done, opts.output))
	case done.plan == nil:
		return nil
	case opts.output == standardOutput:
		a.talk("restored %s", describeState(done.plan))
		return nil
	}
	return a.print("restored %s, %s, from %s in %v\nstate    %s\n", opts.output, size(done.size), size(done.plan.Bytes),
		done.took.Round(time.Millisecond), describeState(done.plan))
}

func restoredDoc(url string, done restored, output string) restoreJSON {
	plan := done.plan
	if plan == nil {
		return restoreJSON{URL: url, Output: output}
	}
	return restoreJSON{
		URL: url, Output: output, Restored: true, Format: plan.Format, State: pointDoc(plan.State),
		Asked: optionalTime(plan.Target.Timestamp), Next: pointDoc(plan.Next), Notes: plan.Notes,
		Bytes: plan.Bytes, Size: done.size, Seconds: done.took.Seconds(),
	}
}

// checkFlag is how thoroughly SQLite checks a database. It is a pflag.Value.
type checkFlag struct {
	mode sqlite.CheckMode
	set  bool
}

const checkUsage = "none, quick or full " +
	"(default quick for a v0.3 backup without times.json that has several indices, else none)"

func (f *checkFlag) Set(s string) (err error) {
	f.mode, err = sqlite.ParseCheckMode(s)
	f.set = err == nil
	return err
}

// modeFor is what to check if nobody has said it.
func (f *checkFlag) modeFor(mayMiss bool) sqlite.CheckMode {
	if mayMiss && !f.set {
		return sqlite.CheckQuick
	}
	return f.mode
}

func (f *checkFlag) Type() string { return "check" }

func (f *checkFlag) String() string {
	if !f.set {
		return ""
	}
	return f.mode.String()
}
