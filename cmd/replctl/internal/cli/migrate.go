package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

const migrateLong = `Make an LTX replica, which Litestream 0.5 restores from and goes on with, out of a
backup that Litestream v0.3.x has made. The backup is only read.

It migrates the latest state, or that of --timestamp and --generation, or with
--history every state that can be restored, each with the time that it has in the
backup (in whole milliseconds). The history is read twice: all of it is verified before
the first file is written. A damaged backup is refused, with exit code 4, and nothing is
written; a single state is restored around damaged objects if there is a way. A backup
without times.json may lack segments, and no name shows it: SQLite then checks the last
state first, quickly or as --integrity-check says. If objects are missing, --partial
migrates the states before and after the hole.

The order of things:

  1. Stop Litestream v0.3 (with SIGTERM, so that it uploads what it has).
  2. replctl migrate SRC DST
  3. In the configuration of Litestream 0.5 let the replica be DST. With --history,
     set snapshot.retention to at least the age of the history: what is older is
     deleted by Litestream when it has made its first snapshots. (In a directory, age
     is that of the state; in a bucket, it counts from the migration.)
  4. Start Litestream 0.5. The application may have written in the meantime: the first
     thing that is uploaded is the whole database.

Litestream 0.5 must not have replicated the database before: if there is a directory
.DB-litestream/ltx beside it, remove that (litestream reset).

It can be run again: an interrupted run is finished, keeping the files that are there,
and after a complete one there is nothing to do, even if Litestream has gone on. A DST
with anything else in it is refused, and nothing there is ever replaced.

In a bucket Litestream 0.5 does not take a -timestamp from before the first upload,
since it goes by the bucket's times. "replctl restore --timestamp" and "litestream
restore -txid" give those states; and if DST is the same place as SRC, Litestream sees
the times of the backup as well, and takes whichever of the two is the better one.

Everything is written under DST's lease, which is waited for as long as --wait says: exit
code 75 if it is not acquired, 76 if it is lost on the way.

Flags such as --endpoint are for both URLs, or for the bucket if the other place is a
directory; parameters in a URL are for that one alone.`

type migrateFlags struct {
	workFlags
	timestamp        timeFlag
	generation       string
	history, partial bool
	tempDir          string
	check            checkFlag
}

// migrateJSON is what was done, or found to be done.
type migrateJSON struct {
	Source      string    `json:"source"`
	Destination string    `json:"destination"`
	Migrated    bool      `json:"migrated"` // false: all was there
	History     bool      `json:"history"`
	States      int       `json:"states"`
	From        pointJSON `json:"from"`
	To          pointJSON `json:"to"`
	TXID        string    `json:"txid"`
	Files       int       `json:"files"`
	Kept        int       `json:"kept"`
	Bytes       int64     `json:"bytes"`

	LeaseGeneration int64 `json:"lease_generation"`
}

func newMigrateCommand(a *app) *cobra.Command {
	flags := migrateFlags{timestamp: timeFlag{now: time.Now}}
	cmd := &cobra.Command{
		Use:   "migrate SRC DST",
		Short: "Make an LTX replica of a v0.3 backup",
		Long:  migrateLong,
		Example: `  replctl migrate s3://backups/db s3://backups/db-v0.5
  replctl migrate /var/backups/db s3://backups/db --history`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("want two arguments, the url of a v0.3 backup and that of the new replica, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.migrate(cmd.Context(), args[0], args[1], flags)
		},
	}
	cmd.Flags().BoolVar(&flags.history, "history", false, "every state that can be restored, not just one")
	cmd.Flags().BoolVar(&flags.partial, "partial", false, "with --history: what can be restored, if objects are missing")
	cmd.Flags().Var(&flags.timestamp, "timestamp", "the last state at or before this time, instead of the latest")
	cmd.Flags().StringVar(&flags.generation, "generation", "", "the last state of this generation, or that at --timestamp")
	cmd.Flags().Var(pathFlag{&flags.tempDir}, "temp-dir",
		"`directory` with room for the database, two with --history (default $TMPDIR)")
	cmd.Flags().Var(&flags.check, "integrity-check",
		"let SQLite check a backup without times.json: "+checkUsage)
	flags.addWork(cmd, "")
	a.addJSON(cmd)
	return cmd
}

func (f *migrateFlags) validate() error {
	switch {
	case f.history && f.target() != restore.Target{}:
		return usageError("one of them",
			"migrate: --timestamp and --generation ask for one state, and --history for all of them")
	case f.generation != "" && !v3compat.IsGenerationID(f.generation):
		return usageError("replctl generations URL, which lists them",
			"--generation %q: want 16 lower-case hex digits", f.generation)
	case f.partial && !f.history:
		return usageError("--history", "migrate: --partial is about the history, and --history is missing")
	}
	return f.checkWork(true, "")
}

func (f *migrateFlags) target() restore.Target {
	return restore.Target{Timestamp: f.timestamp.at, Generation: f.generation}
}

func (a *app) migrate(ctx context.Context, from, to string, flags migrateFlags) error {
	if err := flags.validate(); err != nil {
		return err
	}
	src, dst, there, err := a.openBoth(from, to)
	if err != nil {
		return err
	}
	a.sayZone("timestamp", flags.timestamp.at)
	return there.work(ctx, dst, to, flags.workFlags, true,
		func(ctx context.Context, client replica.Fenceable, generation int64) error {
			return a.writeMigration(ctx, src, dst, client, flags, generation)
		})
}

func (a *app) writeMigration(ctx context.Context, src, dst *opened, client replicate.ReplicaClient,
	flags migrateFlags, generation int64,
) error {
	meters := stepMeters{app: a}
	m, err := migrate.Run(ctx, src, client, migrate.Options{
		History: flags.history, Partial: flags.partial, Target: flags.target(), TempDir: flags.tempDir,
		Progress: meters.update,
		Check: func(ctx context.Context, path string) error {
			return soundDatabase(ctx, path, flags.check.modeFor(true))
		},
	})
	meters.done()
	if err != nil {
		return a.noMigration(ctx, src, dst, err, flags)
	}
	return a.printMigration(migrateJSON{
		Source: src.url, Destination: dst.url, Migrated: !m.Complete, History: flags.history, States: m.States,
		From: backupPoint(m.From), To: backupPoint(m.To), TXID: m.TXID.String(),
		Files: m.Files, Kept: m.Kept, Bytes: m.Bytes, LeaseGeneration: generation,
	})
}

// backupPoint is where a state was in the backup.
func backupPoint(p replica.Point) pointJSON {
	p.TXID = 0
	return *pointDoc(p)
}

// noMigration gives an error its exit code and its advice.
func (a *app) noMigration(ctx context.Context, src, dst *opened, err error, flags migrateFlags) error {
	var e *restore.PlanError
	switch {
	case errors.Is(err, replica.ErrNoReplica):
		if ok, err := src.isReplica(ctx); err != nil {
			return err
		} else if !ok {
			return src.nothing(ctx)
		}
		return &cliError{exitNothing, fmt.Errorf("no v0.3 backup at %s: it is an LTX replica", src.url),
			"litestream replicate, which goes on with it as it is"}
	case errors.Is(err, migrate.ErrOtherContent):
		return &cliError{exitFailure, err, otherDestination(ctx, src, dst)}
	case errors.As(err, &e) && errors.Is(err, replica.ErrDamaged):
		ce := &cliError{exitDamage, err, nearestPoints(e)}
		if flags.history && !e.Before.IsZero() {
			ce.try = "--partial, which migrates what can be restored"
		}
		return ce
	case errors.As(err, &e):
		return &cliError{exitNothing, err, nearestPoints(e)}
	}
	return err
}

// otherDestination says how to migrate to a place with other content. The content may be
// the only replica of something: people delete it, not replctl.
func otherDestination(ctx context.Context, src, dst *opened) string {
	const unneeded = "another destination; or, if nobody needs what is there, "
	ids, err := dst.GenerationsV3(ctx)
	if err != nil || len(ids) > 0 && src.url != dst.url { // another backup
		return "another destination"
	}
	if dst.dir == "" {
		return unneeded + "delete the objects below 0000/ to 0009/ in it, and the same again"
	}
	return unneeded + "rm -r " + shellQuote(filepath.Join(dst.dir, "ltx")) + ", and the same again"
}

func (a *app) printMigration(m migrateJSON) error {
	if a.json {
		return a.printJSON(m)
	}
	states := fmt.Sprintf("the state of %s", preciseStamp(m.To.Time))
	if m.History {
		states = fmt.Sprintf("%s, from %s to %s",
			count(m.States, "state", "states"), preciseStamp(m.From.Time), preciseStamp(m.To.Time))
	}
	if !m.Migrated {
		return a.print("nothing to do: %s has %s already\n", m.Destination, states)
	}
	kept := ""
	if m.Kept > 0 {
		kept = fmt.Sprintf("; %s of an interrupted run kept", count(m.Kept, "file", "files"))
	}
	return a.print("migrated %s\nwrote    %s, %s%s\n"+
		"next     start Litestream 0.5 with %s as its replica; it goes on after transaction %s\n",
		states, count(m.Files, "file", "files"), size(m.Bytes), kept, m.Destination, m.TXID)
}

// stepMeters show one step after the other.
type stepMeters struct {
	app  *app
	step string
	m    *meter
}

func (s *stepMeters) update(step string, done, total int64) {
	if step != s.step {
		s.done()
		s.step, s.m = step, s.app.newMeter(step)
	}
	s.m.update(done, total)
}

func (s *stepMeters) done() {
	if s.m != nil {
		s.m.done()
	}
}
