package cli

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/store/kv"
)

func newKVListCommand(a *app) *cobra.Command {
	var from, to, prefix string
	cmd := &cobra.Command{
		Use:   "ls URL",
		Short: "List records in the order of their keys",
		Long: `List the records, in the order of the bytes of their keys, with their versions
and sizes; with --json their values, too. Both ends of a range belong to it. Each record
is read for that.

Keys that are no plain text are quoted, as Go does it.`,
		Example: "  replctl kv ls s3://bucket/app --prefix worker/",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if prefix != "" && from+to != "" {
				return usageError("--prefix, or --from and --to", "--prefix is a range of its own")
			}
			if prefix != "" {
				from, to = prefix, prefix+strings.Repeat("\xff", max(0, kv.MaxKeyLen-len(prefix)))
			}
			s, url, err := a.openKV(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			records, err := s.GetRange(cmd.Context(), kv.Key(from), kv.Key(to))
			if err != nil {
				return kvFailure(err, url, from)
			}
			return a.printRecords(records)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the first `key`")
	cmd.Flags().StringVar(&to, "to", "", "the last `key`")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that begin with this `text`")
	a.addJSON(cmd)
	return cmd
}

func (a *app) printRecords(records kv.Records) error {
	if a.json {
		docs := []recordJSON{}
		for _, r := range records {
			docs = append(docs, newRecordJSON(r))
		}
		return a.printJSON(docs)
	}
	if len(records) == 0 {
		a.talk("no records")
		return nil
	}
	g := newGrid("key", "version", "size", "lease")
	g.right = []string{"version", "size"}
	leased := false
	for _, r := range records {
		lease := "-"
		if r.Lease != kv.NoLeaseId {
			lease, leased = strconv.FormatInt(int64(r.Lease), 10), true
		}
		g.add(shownText(string(r.Key)), int64(r.Version), len(r.Value), lease)
	}
	if !leased {
		g.hidden = []string{"lease"}
	}
	return a.printGrid(g)
}

// shownText is text as it is, and anything else quoted.
func shownText(s string) string {
	odd := func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == '"'
	}
	if s == "" || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}
