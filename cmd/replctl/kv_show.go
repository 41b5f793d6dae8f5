package main

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/store/kv"
)

// recordJSON is a record. Of key and key_base64, and of value and value_base64, it has
// one: text as it is, other bytes in base64.
type recordJSON struct {
	Key         *string `json:"key,omitempty"`
	KeyBase64   *string `json:"key_base64,omitempty"`
	Version     int64   `json:"version,omitempty"`
	Lease       int64   `json:"lease,omitempty"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 *string `json:"value_base64,omitempty"`
}

func newRecordJSON(r kv.Record) recordJSON {
	out := recordJSON{Version: int64(r.Version), Lease: int64(r.Lease)}
	out.Key, out.KeyBase64 = textOrBase64(r.Key)
	out.Value, out.ValueBase64 = textOrBase64(string(r.Value))
	return out
}

func textOrBase64(s string) (text, encoded *string) {
	if utf8.ValidString(s) {
		return &s, nil
	}
	e := base64.StdEncoding.EncodeToString([]byte(s))
	return nil, &e
}

func newKVGetCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get URL KEY",
		Short: "Print a record's value",
		Long: "Print a record's value, as it is and nothing else; with --json the whole record.\n" +
			"On a terminal, what the terminal would obey is escaped.",
		Example: "  replctl kv get s3://bucket/app limit",
		Args:    urlAndKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, url, err := a.openKV(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			r, err := s.Get(cmd.Context(), args[1])
			if err != nil {
				return kvFailure(err, url, args[1])
			}
			if a.json {
				return a.printJSON(newRecordJSON(r))
			}
			return a.printValue(r.Value)
		},
	}
	a.addJSON(cmd)
	return cmd
}

// printValue writes a value as it is: on a terminal, without what the terminal would obey.
func (a *app) printValue(value []byte) error {
	if terminalWidth(a.stdout) > 0 {
		value = []byte(harmlessLines(string(value)))
	}
	_, err := a.stdout.Write(value)
	return err
}

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
			records, err := s.GetRange(cmd.Context(), from, to)
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

func (a *app) printRecords(records []kv.Record) error {
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
		g.add(shownText(r.Key), int64(r.Version), len(r.Value), lease)
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
