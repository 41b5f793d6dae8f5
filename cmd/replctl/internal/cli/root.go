package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// app is what the commands share.
type app struct {
	stdout, stderr io.Writer
	json           bool
	verbose        bool

	// How to reach a bucket, where the URL does not say.
	endpoint, region           string
	forcePathStyle, skipVerify bool

	config configFlags

	tune func(engine any) // changes a client or a leaser before its first use; tests shorten its timeouts
}

// tuned lets tune change a client or a leaser.
func (a *app) tuned(engine any) {
	if a.tune != nil {
		a.tune(engine)
	}
}

const rootLong = `replctl shows what is inside a replica of a SQLite database: one that
Litestream 0.5 keeps in LTX files, or a backup that Litestream v0.3.x made.
It needs the replica's URL, and neither a configuration file nor a daemon. Where there is
Litestream's configuration file, --config names it, and the path of a database stands for
the URL of its replica.

A URL is a path to a directory, file:///path/to/directory, or s3://bucket/path. S3
urls take Litestream's parameters (?endpoint=..&region=..&force-path-style=..), and
credentials come from where the AWS tools and Litestream find them: AWS_* and
LITESTREAM_* variables, ~/.aws, an instance role.

Records and leases (lease, kv, config, records, probe) may also be in a database:
postgres://user@host/database?schema=..&prefix=.. takes libpq's parameters, such as sslmode,
and what is missing from where psql finds it: PGPASSWORD and the other PG* variables,
~/.pgpass, service files; a password in the URL is refused. sqlite:///path/state.db?prefix=..
is a file on this machine, which is created when it is first used.

They may also be on Raft nodes (replctl node): raft://h1:7420,h2:7420,h3:7420/prefix has addresses
of nodes, one of which is enough, and what the keys begin with. Nodes with certificates want one:
?tls-ca=..&tls-cert=..&tls-key=.., the names of PEM files.

The endpoint of an S3 server other than AWS comes from the first of these that has one:
?endpoint= in the URL and --endpoint, which replaces it; LITESTREAM_S3_ENDPOINT;
AWS_ENDPOINT_URL_S3; AWS_ENDPOINT_URL; endpoint_url of the profile (AWS_PROFILE) in
~/.aws/config, of its S3 service or of all. The region comes from ?region= and --region;
on AWS also from AWS_REGION, the profile, and the bucket itself.

Data goes to standard output, everything else to standard error.
Exit codes: 0 fine, 1 failure, 2 wrong usage, 3 nothing there, 4 damage found;
of a probe 5 violation, 6 inconclusive; of diff --exit-code 8 different;
of a lease 75 not acquired, 76 lost; 130 and 143 ended by Ctrl-C or SIGTERM.`

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "replctl",
		Short:         "See what is inside a SQLite replica",
		Long:          rootLong,
		Version:       buildVersion(),
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate(versionLine())
	root.Flags().Bool("version", false, "print the version") // or cobra takes -v for it
	a.addStoreFlags(root)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(cmd.CommandPath()+" --help", "%w", err)
	})
	root.AddCommand(
		newLsCommand(a), newDrillCommand(a),
		newInspectCommand(a), newGenerationsCommand(a), newSnapshotsCommand(a), newWALCommand(a), newLTXCommand(a),
		newPlanCommand(a), newRestoreCommand(a), newSnapshotCommand(a), newMigrateCommand(a), newCheckCommand(a),
		newLeaseCommand(a), newKVCommand(a), newConfigCommand(a), newRecordsCommand(a),
		newNodeCommand(a), newProbeCommand(a), newVersionCommand(a), newCpCommand(a),
		newPruneCommand(a), newQueryCommand(a), newTablesCommand(a), newDumpCommand(a), newDiffCommand(a),
		newLogCommand(a), newBisectCommand(a),
	)
	root.InitDefaultHelpFlag()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.RunE = helpAbout
		case "completion":
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		asUsageErrors(cmd)
	}
	return root
}

// unknownCommand refuses what is neither a command nor a flag.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	at := cmd.CommandPath()
	what := ""
	if cmd.HasParent() {
		what = cmd.Name() + ": "
	}
	try := at + " --help"
	cmd.SuggestionsMinimumDistance = min(2, len(args[0])/3) // letters that may differ
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		try = at + " " + strings.Join(similar, ", "+at+" ")
	}
	return usageError(try, "%sunknown command %q", what, args[0])
}

// helpAbout is the help command. Cobra's own succeeds for an unknown command.
func helpAbout(cmd *cobra.Command, args []string) error {
	about, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return usageError("replctl --help", "help: unknown command %q", strings.Join(args, " "))
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}

// oneURL is what the commands that look at a replica take.
func oneURL(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("which replica? its path or URL is missing")
	case 1:
		return nil
	}
	return fmt.Errorf("one replica at a time, not %d", len(args))
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}

// asUsageErrors gives the complaints of a command, and of those below it, about
// its arguments exit code 2.
func asUsageErrors(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		asUsageErrors(sub)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		var said *cliError
		if err != nil && !errors.As(err, &said) {
			return usageError(cmd.CommandPath()+" --help", "%s: %w", cmd.Name(), err)
		}
		return err
	}
}

// addJSON adds the flag that the commands with data have.
func (a *app) addJSON(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON instead of a table (docs/json.md)")
}

// addStoreFlags adds what a URL may also say in its query.
func (a *app) addStoreFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.endpoint, "endpoint", "", "`URL` of an S3 server other than AWS")
	flags.StringVar(&a.region, "region", "", "`region` of the bucket")
	flags.BoolVar(&a.forcePathStyle, "force-path-style", false, "address the bucket by path, not by host name")
	flags.BoolVar(&a.skipVerify, "skip-verify", false, "do not verify the TLS certificate of the server")
	flags.Var(pathFlag{&a.config.file}, "config", "Litestream's configuration `file`: a database's path is then a replica")
	flags.StringVar(&a.config.replica, "replica", "", "with --config: the replica with this `name`, or URL, of several")
	flags.BoolVar(&a.verbose, "verbose", false, "say on standard error what is done")
}

// storeFlags are the flags that were given, by the names of a URL's parameters.
func (a *app) storeFlags() map[string]string {
	given := map[string]string{}
	for name, value := range map[string]string{"endpoint": a.endpoint, "region": a.region} {
		if value != "" {
			given[name] = value
		}
	}
	for name, on := range map[string]bool{"force-path-style": a.forcePathStyle, "skip-verify": a.skipVerify} {
		if on {
			given[name] = "true"
		}
	}
	return given
}

// logger is where the library reports; to standard error, if anywhere.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}
