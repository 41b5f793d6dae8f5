package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/internal/moment"
	"github.com/replctl/replicate/ltx"
)

// ltxJSON has the keys of `litestream ltx -json`, and created_at.
type ltxJSON struct {
	Level     int       `json:"level"`
	MinTXID   string    `json:"min_txid"`
	MaxTXID   string    `json:"max_txid"`
	Size      int64     `json:"size"`
	Timestamp string    `json:"timestamp"`  // RFC 3339, to the second, as Litestream prints it
	CreatedAt time.Time `json:"created_at"` // the same to the millisecond
}

type ltxOptions struct {
	level        string
	since, until timeFlag
	fast         bool
}

func newLTXCommand(a *app) *cobra.Command {
	opts := &ltxOptions{since: timeFlag{now: time.Now}, until: timeFlag{now: time.Now}}
	cmd := &cobra.Command{
		Use:   "ltx URL",
		Short: "List the LTX files",
		Long: `List the LTX files of a replica, by level and transaction. Times are those in the
files' headers, to which point-in-time restores go; reading them takes a small
read per file. With --fast they are what the store shows: the modification time
of a file, which a copy may have lost.

Both --since and --until are inclusive. ` + moment.Forms,
		Example: "  replctl ltx /var/backups/db --level 0 --since -90m",
		Args:    oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ltx(cmd.Context(), args[0], opts)
		},
	}
	cmd.Flags().StringVar(&opts.level, "level", "all", "level to list: 0 to 9, or all")
	cmd.Flags().Var(&opts.since, "since", "leave out files before this time")
	cmd.Flags().Var(&opts.until, "until", "leave out files after this time")
	cmd.Flags().BoolVar(&opts.fast, "fast", false, "show the store's times and read no headers")
	a.addJSON(cmd)
	return cmd
}

func (a *app) ltx(ctx context.Context, url string, opts *ltxOptions) error {
	levels, err := parseLevels(opts.level)
	if err != nil {
		return err
	}
	if !opts.until.at.IsZero() && opts.since.at.After(opts.until.at) {
		return usageError("replctl ltx --help", "--since %s is after --until %s", &opts.since, &opts.until)
	}
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	out := []ltxJSON{}
	total := 0
	for _, level := range levels {
		files, err := r.ltxFiles(ctx, level, !opts.fast)
		if err != nil {
			return err
		}
		total += len(files)
		for _, f := range files {
			if opts.wants(f.CreatedAt) {
				out = append(out, ltxJSON{
					level, f.MinTXID.String(), f.MaxTXID.String(), f.Size, f.CreatedAt.Format(time.RFC3339), f.CreatedAt,
				})
			}
		}
	}
	if err := r.orNothing(ctx, total); err != nil {
		return err
	}
	a.sayZone("since", opts.since.at)
	a.sayZone("until", opts.until.at)
	if a.json {
		return a.printJSON(out)
	}
	return a.printLTX(out)
}

func (o *ltxOptions) wants(t time.Time) bool {
	return (o.since.at.IsZero() || !t.Before(o.since.at)) && (o.until.at.IsZero() || !t.After(o.until.at))
}

func parseLevels(s string) ([]int, error) {
	if s == "all" {
		var all []int
		for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
			all = append(all, level)
		}
		return all, nil
	}
	level, err := strconv.Atoi(s)
	if err != nil {
		err = fmt.Errorf("%q is neither a number nor all", s)
	} else {
		err = ltx.CheckLevel(level)
	}
	if err != nil {
		return nil, usageError("--level all, or --level 0 to 9", "--level: %w", err)
	}
	return []int{level}, nil
}

func (r *opened) ltxFiles(ctx context.Context, level int, trueTimes bool) ([]*ltx.FileInfo, error) {
	itr, err := r.LTXFiles(ctx, level, 0, trueTimes)
	if err != nil {
		return nil, err
	}
	var files []*ltx.FileInfo
	for itr.Next() {
		files = append(files, itr.Item())
	}
	return files, itr.Close()
}

func (a *app) printLTX(files []ltxJSON) error {
	if len(files) == 0 {
		a.talk("no LTX files match")
		return nil
	}
	g := newGrid("level", "min txid", "max txid", "size", "created")
	g.right = []string{"level", "size"}
	for _, f := range files {
		g.add(f.Level, f.MinTXID, f.MaxTXID, f.Size, preciseStamp(f.CreatedAt))
	}
	return a.printGrid(g)
}
