package cli

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/store/records"
)

const recordsLong = `The small records in a directory, a bucket or a database: those of kv, config, logstate
and resource, and the lease of a replica in the same place. They are what programs have
agreed on; a replica's files are none of them.`

func newRecordsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "records",
		Short: "List small records, and copy them to another store",
		Long:  recordsLong,
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRecordsCpCommand(a), newRecordsListCommand(a))
	return cmd
}

// recordsAt is the records at a URL.
type recordsAt struct {
	cas.Store
	url  string // as it may be shown: see shownURL
	name string // the same however the path of a directory was written
}

// openRecords returns the records at a URL for a command.
func (a *app) openRecords(ctx context.Context, rawURL, command string) (recordsAt, error) {
	from, err := a.configured(rawURL)
	if err != nil {
		return recordsAt{}, err
	}
	p, err := a.parsePlace(from.URL)
	if err != nil {
		return recordsAt{}, err
	}
	l, err := a.leaserAt(rawURL, command, engines.Options{})
	if err != nil {
		return recordsAt{}, err
	}
	store, err := l.Records(ctx)
	at := recordsAt{Store: store, url: shownURL(l, rawURL)}
	at.name = at.url
	if err == nil && p.Scheme == file.LeaserType {
		at.name, err = filepath.Abs(p.Path)
	}
	return at, err
}

func addPrefixes(cmd *cobra.Command, prefixes *[]string) {
	cmd.Flags().StringArrayVar(prefixes, "prefix", nil,
		"only records below this `prefix`, such as kv/ (default config/, kv/, logstate/, resource/ and lock.json);\n"+
			"without a slash at the end one record; may be repeated")
}

// checkPrefixes is a usage error for prefixes that are none.
func checkPrefixes(prefixes []string) error {
	if _, err := records.Check(prefixes); err != nil {
		return usageError("--prefix kv/", "--prefix: %w", err)
	}
	return nil
}

const recordsCpLong = `Copy the records of one store to another: from a directory to a bucket or a database, and
back. Versions, fencing numbers and logs are in the records, which are copied byte for
byte: programs that move to the copy go on from the last number.

Stop the programs that use the records first, and start them on the copy afterwards.
The copy is the source as it was at one instant: what changes meanwhile is copied again,
until nothing has changed. A first copy may be made while the programs run; the next
one brings it up to date. A lease is copied as it is: one that is held is named on
standard error, and free at the destination when it has expired.

Each record is read back after it was written. A copy that was interrupted is finished
by running it again. The destination has to be empty, as far as the prefixes go, or an
earlier copy of the same source: below records-copy/ it has a manifest and the checksums
of all that was written. If it has anything else, because somebody uses it, say, nothing
is changed there. A record that is gone at the source is removed from the copy, but not
from a bucket, which cannot do that safely: then copy to an empty place.

config/, kv/ and resource/ are copied as a whole or not at all. Records of your own are
copied if --prefix names them.

Exit codes: 3, the source has no records; 4, the manifest of the copy is damaged; 1, the
destination has something else, or the source kept changing.

--endpoint and the like are for both places if both are buckets; else put them into the
URLs.`

// recordsCpJSON is what was done.
type recordsCpJSON struct {
	From        string   `json:"from"`
	To          string   `json:"to"`
	Records     int      `json:"records"`
	Bytes       int64    `json:"bytes"`
	Present     int      `json:"present"`
	Copied      int      `json:"copied"`
	CopiedBytes int64    `json:"copied_bytes"`
	Removed     int      `json:"removed"`
	Rounds      int      `json:"rounds"`
	Held        []string `json:"held"`
	Seconds     float64  `json:"seconds"`
}

func newRecordsCpCommand(a *app) *cobra.Command {
	var opts records.Options
	cmd := &cobra.Command{
		Use:   "cp SRC DST",
		Short: "Copy records to another store",
		Long:  recordsCpLong,
		Example: `  replctl records cp /var/lib/app s3://bucket/app
  replctl records cp s3://bucket/app /var/lib/app --prefix kv/ --prefix logstate/`,
		Args: twoURLs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.Concurrency < 1 || opts.Concurrency > 256 {
				return usageError("--concurrency 8", "--concurrency: want 1 to 256, not %d", opts.Concurrency)
			}
			if err := checkPrefixes(opts.Prefixes); err != nil {
				return err
			}
			return a.copyRecords(cmd.Context(), args[0], args[1], opts)
		},
	}
	addPrefixes(cmd, &opts.Prefixes)
	cmd.Flags().IntVar(&opts.Concurrency, "concurrency", 8, "how many requests are made at a time")
	a.addJSON(cmd)
	return cmd
}

func (a *app) copyRecords(ctx context.Context, from, to string, opts records.Options) error {
	src, err := a.beside(from, to).openRecords(ctx, from, "records cp")
	if err != nil {
		return err
	}
	dst, err := a.beside(to, from).openRecords(ctx, to, "records cp")
	if err != nil {
		return err
	}
	if src.name == dst.name {
		return usageError("another place", "cp: source and destination are the same")
	}
	m := a.newMeter("copying")
	m.unit = func(n int64) string { return count(int(n), "record", "records") }
	opts.Source = src.name
	opts.Progress = func(done, total int) { m.update(int64(done), int64(total)) }
	began := time.Now()
	rep, err := records.Copy(ctx, src.Store, dst.Store, opts)
	m.done()
	if err != nil {
		return recordsFailure(err, src.url)
	}
	return a.printRecordsCopy(recordsCpJSON{
		From: src.url, To: dst.url, Records: rep.Records, Bytes: rep.Bytes, Present: rep.Present, Copied: rep.Copied,
		CopiedBytes: rep.CopiedBytes, Removed: rep.Removed, Rounds: rep.Rounds, Held: append([]string{}, rep.Held...),
		Seconds: time.Since(began).Seconds(),
	})
}

func (a *app) printRecordsCopy(doc recordsCpJSON) error {
	for _, key := range doc.Held {
		a.talk("note: %s is a lease that is held: its holder may still use the source", key)
	}
	if a.json {
		return a.printJSON(doc)
	}
	took := time.Duration(doc.Seconds * float64(time.Second)).Round(time.Millisecond)
	return a.print("copied %d of %s, %s, in %v; %d were there before, %d removed\n",
		doc.Copied, count(doc.Records, "record", "records"), size(doc.CopiedBytes), took, doc.Present, doc.Removed)
}

// recordsFailure gives an error of these commands an exit code, and advice for the operator.
func recordsFailure(err error, url string) error {
	var target *records.TargetError
	switch {
	case errors.Is(err, records.ErrNothing):
		return &cliError{exitNothing, plain(err), "replctl records ls " + shellQuote(url)}
	case errors.Is(err, records.ErrDamaged):
		return &cliError{exitDamage, plain(err), "the same again; if it stays so, --prefix copies the others"}
	case errors.Is(err, records.ErrCorrupt):
		return &cliError{exitDamage, plain(err), "an empty place for the copy"}
	case errors.As(err, &target):
		return &cliError{exitFailure, plain(err), "an empty place for the copy"}
	case errors.Is(err, records.ErrSourceChanges), errors.Is(err, records.ErrBusy):
		return &cliError{exitFailure, plain(err), "the same again, later"}
	case errors.Is(err, cas.ErrIndeterminate) && !errors.Is(err, context.Canceled):
		return &cliError{exitFailure, plain(err), "the same again, which goes on"}
	}
	return err
}

// recordInfoJSON is a record in a listing.
type recordInfoJSON struct {
	Key    string `json:"key"`
	Bytes  int    `json:"bytes"`
	Format string `json:"format,omitempty"`
}

func newRecordsListCommand(a *app) *cobra.Command {
	var prefixes []string
	cmd := &cobra.Command{
		Use:   "ls URL",
		Short: "List records as they are stored",
		Long: `List the records, with their sizes as stored and what they say they are: "kv/1" and the
like, or a lease. Each record is read for that, and none is verified.`,
		Example: "  replctl records ls s3://bucket/app --prefix config/",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPrefixes(prefixes); err != nil {
				return err
			}
			at, err := a.openRecords(cmd.Context(), args[0], "records ls")
			if err != nil {
				return err
			}
			docs := []recordInfoJSON{}
			for info, err := range records.List(cmd.Context(), at.Store, prefixes) {
				if err != nil {
					return err
				}
				docs = append(docs, recordInfoJSON(info))
			}
			return a.printRecordInfos(docs)
		},
	}
	addPrefixes(cmd, &prefixes)
	a.addJSON(cmd)
	return cmd
}

func (a *app) printRecordInfos(docs []recordInfoJSON) error {
	switch {
	case a.json:
		return a.printJSON(docs)
	case len(docs) == 0:
		a.talk("no records")
		return nil
	}
	g := newGrid("key", "size", "format")
	g.right = []string{"size"}
	for _, d := range docs {
		g.add(d.Key, d.Bytes, orDash(d.Format))
	}
	return a.printGrid(g)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
